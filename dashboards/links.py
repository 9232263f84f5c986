"""Links between the boards, which keep the time range and the choices.

Every board has the same names of variables, or what is chosen on one would be lost on the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink as LinkModel

#: Part of the public contract: people's own links use them.
ROOM_UID: Final = "webrtc-quality-room"
PEER_UID: Final = "webrtc-quality-peer"
OVERVIEW_UID: Final = "webrtc-quality-overview"
EXPORTER_UID: Final = "webrtc-quality-exporter"
#: What the family of boards has in common.
TAG: Final = "webrtc-quality"

#: The variable that each identifying label chooses.
VARIABLES: Final = {"source": "source", "room_id": "room", "session_id": "session", "peer_id": "peer"}

#: Where a label's value stands: in the columns of a table's row, or with the series of a bar.
IN_ROW: Final = "__data.fields"
ON_SERIES: Final = "__field.labels"


#: The text of a cell as an address. Grafana lets none through that would run as a script.
THE_ADDRESS: Final = "${__value.raw}"

#: The page of a 100ms session in the vendor's dashboard. Its API does not tell it: the published code of Campsite, a
#: product made with 100ms, leads there (`hms_session_url`).
_HUNDREDMS_PAGE: Final = "https://dashboard.100ms.live/session-details/"
#: An id of the database that 100ms uses: no time, which is a watchRTC session's id where it has no address, and no
#: pseudonym, which is shorter.
_HUNDREDMS_SESSION: Final = "[0-9a-f]{24}"

#: The time range that is looked at, and that of the call in a row which has these two columns, in milliseconds.
SAME_TIME: Final = "${__url_time_range}"
STARTED: Final = "Started"
ENDED: Final = "Ended"
OWN_TIME: Final = f"from=${{__data.fields.{STARTED}.numeric}}&to=${{__data.fields.{ENDED}.numeric}}"


def board_url(uid: str, identity: tuple[str, ...], place: str, *, time: str = SAME_TIME) -> str:
    """The address of another board, with the choices that the clicked row or bar stands for."""
    # Grafana leaves `&`, `#` and `+` of a value alone unless told otherwise, and ids are whatever strangers made up.
    chosen = "".join(f"&var-{VARIABLES[label]}=${{{place}.{label}:percentencode}}" for label in identity)
    return f"/d/{uid}?{time}&${{datasource:queryparam}}&${{job:queryparam}}{chosen}"


def with_address(info: str) -> str:
    """What `webrtc_room_info` tells, with the vendor's page in `url` for sessions of 100ms, which give none."""
    joined = f'label_join({info}, "page", " ", "url", "session_id")'
    return f'label_replace({joined}, "url", "{_HUNDREDMS_PAGE}$1", "page", " ({_HUNDREDMS_SESSION})")'


def data_link(title: str, url: str) -> Builder[LinkModel]:
    """A link on the values of a panel."""
    return DashboardLink(title).url(url).placement(None)  # type: ignore[arg-type]  # None leaves the key out


def family_link() -> Builder[LinkModel]:
    """The menu of all boards of the family, for the head of each."""
    link = DashboardLink("WebRTC quality").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    link = link.as_dropdown(as_dropdown=True).include_vars(include_vars=True).keep_time(keep_time=True)
    return link.placement(None)  # type: ignore[arg-type]  # any placement hides the links in a menu
