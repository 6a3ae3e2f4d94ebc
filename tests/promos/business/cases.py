"""Values on both sides of every bound of a promo's terms.

They are for the call that publishes a promo and the one that changes it.
"""

# What is neither a text nor anything that could pass for one.
NO_TEXTS = [5, 5.0, True, False, [], ["Ten per cent off"], {}, {"text": "Ten per cent off"}]
# What is no JSON integer, though some of it looks like one.
NO_INTEGERS = ["5", "", 5.0, 5.5, True, False, [], [5], {}]
NO_LISTS = ["food", 5, 5.0, True, {}, {"0": "food"}]
NO_OBJECTS = ["", "target", 5, 5.0, True, [], [{}]]

URL_OF_350 = "https://example.com/" + "i" * 330
CATEGORIES_OF_20 = [f"category {number}" for number in range(20)]

NO_URLS = [
    "",
    "example.com/tea.png",
    "//example.com/tea.png",
    "/tea.png",
    "tea.png",
    "https://",
    "https:///tea.png",
    "https:example.com",
    "ftp://example.com/tea.png",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
    "https://example.com/tea pot.png",
    "https://example.com/tea.png\n",
    " https://example.com/tea.png",
    URL_OF_350 + "i",
]
NO_DAYS = [
    "",
    "2025-02-30",
    "2025-02-29",
    "2025-13-01",
    "2025-00-10",
    "2025-01-00",
    "2025-1-01",
    "2025-01-1",
    "25-01-01",
    "20250101",
    "2025/01/01",
    "01-01-2025",
    "2025-W01-1",
    "2025-001",
    "0000-01-01",
    "10000-01-01",
    "2025-01-01T00:00:00Z",
    "2025-01-01 ",
    "2025-01-01\n",
    "\uff12\uff10\uff12\uff15-01-01",
    "today",
]
# Codes that never existed, are reserved or withdrawn; and other letters, of which capitals or
# another normal form would make "SE", "IT", "SS", "FI" or "DE".
NO_COUNTRIES = [
    "",
    "d",
    "deu",
    "zz",
    "uk",
    "eu",
    "an",
    "su",
    "d ",
    " d",
    "d1",
    "12",
    "d\u0435",
    "\u017fe",
    "\u0131t",
    "\u00df",
    "\ufb01",
    "\uff44\uff45",
]

WRONG_TERMS = {
    "description": ["", "d" * 9, "d" * 301, "nul\x00 in it", *NO_TEXTS],
    "image_url": [*NO_URLS, *NO_TEXTS],
    "max_count": [-1, 100_000_001, *NO_INTEGERS],
    "active_from": [*NO_DAYS, *NO_TEXTS, 20250101],
    "active_until": [*NO_DAYS, *NO_TEXTS, 20250101],
}
# By where the message finds the fault.
WRONG_TARGETS = {
    "target": NO_OBJECTS,
    "target.age_from": [
        *({"age_from": value} for value in [-1, 101, None, *NO_INTEGERS]),
        {"age_from": 31, "age_until": 30},
        {"age_from": 100, "age_until": 0},
    ],
    "target.age_until": [{"age_until": value} for value in [-1, 101, None, *NO_INTEGERS]],
    "target.country": [{"country": value} for value in [*NO_COUNTRIES, None, *NO_TEXTS]],
    "target.categories": [
        {"categories": value} for value in [None, [*CATEGORIES_OF_20, "one more"], *NO_LISTS]
    ],
    "target.categories.1": [
        {"categories": ["food", value]} for value in ["", "f", "f" * 21, "nul\x00", None, *NO_TEXTS]
    ],
}

RIGHT_TERMS = {
    "description": ["d" * 10, "d" * 300, "Ч" * 300, "🍵" * 10, 'quotes " and \\ and \n lines'],
    "image_url": [
        URL_OF_350,
        "http://example.com",
        "https://example.com/tea.png?size=big&v=2#top",
        "HTTPS://EXAMPLE.COM/Tea.PNG",
        "http://localhost:8000/tea.png",
        "http://127.0.0.1/tea.png",
    ],
    "max_count": [0, 1, 100_000_000],
    "active_from": ["0001-01-01", "2024-02-29", "9999-12-31"],
    "active_until": ["0001-01-01", "2024-02-29", "9999-12-31"],
}
RIGHT_TARGETS = [
    {},
    *({name: age} for name in ("age_from", "age_until") for age in (0, 100)),
    {"age_from": 0, "age_until": 100},
    {"age_from": 30, "age_until": 30},
    *({"country": code} for code in ("de", "DE", "dE", "Us", "ss", "SS")),
    {"categories": []},
    {"categories": CATEGORIES_OF_20},
    {"categories": ["ab", "c" * 20, "чай", "Ab", "ab", "🍵🍵"]},
    {"age_from": 18, "age_until": 65, "country": "Fr", "categories": ["food", "Drinks"]},
]
