"""The watchRTC source over real stores: one small adapter for each of them, and scenarios that each goes through."""
