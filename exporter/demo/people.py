"""Who takes part in simulated meetings, with what, from where. All names are made up."""

from __future__ import annotations

from typing import Final

from exporter.demo.truth import Device, Place

NAMES: Final = (
    *("aisha", "ben", "chen", "dana", "emre", "fatima", "goran", "hana", "ivan", "jonas", "kavya", "lena", "marta"),
    *("nadia", "omar", "priya", "quentin", "rosa", "sven", "tomas", "uma", "viktor", "wanda", "xenia", "yusuf", "zoe"),
    *("ada", "bruno", "clara", "diego", "elif", "farid", "greta", "hugo", "ines", "jana", "kofi", "lucia", "mei"),
    *("noor", "olga", "pavel", "rahel", "samir", "tova", "ugo", "vera", "wim", "yara", "zeno"),
)

DESKTOPS: Final = (
    Device(
        os="Windows",
        os_version="11",
        browser="Chrome",
        browser_version="142.0.7444.60",
        microphone="Headset Microphone (USB Audio)",
        camera="Integrated Camera",
    ),
    Device(
        os="Mac OS",
        os_version="15.1",
        browser="Safari",
        browser_version="18.1",
        microphone="MacBook Pro Microphone",
        camera="FaceTime HD Camera",
    ),
    Device(
        os="Mac OS",
        os_version="14.6",
        browser="Chrome",
        browser_version="141.0.7390.55",
        microphone="AirPods",
        camera="FaceTime HD Camera",
    ),
    Device(
        os="Linux",
        os_version="64-bit",
        browser="Firefox",
        browser_version="144.0",
        microphone="Built-in Audio Analog Stereo",
        camera='HD Webcam "C920"',
    ),
    Device(
        os="Windows",
        os_version="10",
        browser="Edge",
        browser_version="142.0.3595.53",
        microphone="Default - Mikrofon (Realtek(R) Audio)",
        camera="Logitech BRIO",
    ),
)

PHONES: Final = (
    Device(
        os="Android",
        os_version="15",
        browser="Chrome Mobile",
        browser_version="142.0.7444.48",
        microphone="Speakerphone",
        camera="camera2 1, facing front",
    ),
    Device(
        os="iOS",
        os_version="18.1",
        browser="Mobile Safari",
        browser_version="18.1",
        microphone="iPhone Microphone",
        camera="Front Camera",
    ),
)

#: What a recorder or another program without a screen takes part with.
SERVER: Final = Device(
    os="Linux", os_version="64-bit", browser="HeadlessChrome", browser_version="142.0.7444.59", microphone="", camera=""
)

PLACES: Final = (
    Place(city="Berlin", country="Germany", organization="Deutsche Telekom"),
    Place(city="München", country="Germany", organization="M-net"),
    Place(city="Pune", country="India", organization="Jio"),
    Place(city="Bengaluru", country="India", organization="Airtel"),
    Place(city="Austin", country="United States", organization="Comcast"),
    Place(city="Chicago", country="United States", organization="AT&T"),
    Place(city="São Paulo", country="Brazil", organization="Vivo"),
    Place(city="Lagos", country="Nigeria", organization="MTN"),
    Place(city="Tel Aviv", country="Israel", organization="Bezeq"),
    Place(city="London", country="United Kingdom", organization="BT"),
)

TENANTS: Final = ("acme", "globex", "initech", "umbrella")
PLANS: Final = ("free", "pro", "enterprise")
