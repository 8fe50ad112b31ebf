"""Who and what the history is about: tables, to be read and changed like a cast list. Everybody in it is made up."""

from typing import Final, Literal, NamedTuple

Rhythm = Literal["office", "evening", "night", "steady"]
"""When a tenant's people or programs are at work, by the clock of its time zone."""
Paying = Literal["prepaid", "invoice", "trial"]
Mix = Literal["support", "coding", "search", "agents", "writing", "voice", "hobby"]


class Company(NamedTuple):
    """A tenant."""

    name: str
    user_group: str
    time_zone: str
    share: float
    """Of all requests, in proportion to the others'."""
    rhythm: Rhythm
    paying: Paying
    mix: Mix
    joined: float
    """When, as a part of the whole time; 0 is before it begins."""
    people: tuple[str, ...]


COMPANIES: Final = (
    Company("Northwind Support", "enterprise", "Europe/Berlin", 22.0, "office", "invoice", "support", 0.0,
            ("Ada Brandt", "Jonas Keller", "Mia Vogel", "Emre Yildiz")),
    Company("Quill & Ink", "pro", "America/New_York", 13.0, "evening", "prepaid", "writing", 0.0,
            ("Grace Miller", "Owen Harper", "Lena Cole")),
    Company("Blue Heron Labs", "pro", "America/Los_Angeles", 10.0, "office", "prepaid", "coding", 0.0,
            ("Noah Park", "Ivy Chen", "Sam Ortiz")),
    Company("Kumo Search", "enterprise", "Asia/Tokyo", 9.0, "steady", "invoice", "search", 0.0,
            ("Haruto Sato", "Yui Tanaka")),
    Company("Parcel Pilot", "pro", "Europe/Amsterdam", 7.5, "office", "prepaid", "agents", 0.0,
            ("Daan de Vries", "Sanne Bakker")),
    Company("Lumen Learning", "default", "Europe/London", 6.0, "evening", "prepaid", "support", 0.0,
            ("Oliver Hughes", "Amelia Ward", "Priya Nair")),
    Company("Sierra Health Notes", "enterprise", "America/Denver", 5.5, "office", "invoice", "voice", 0.0,
            ("Elena Ruiz", "Marcus Reed")),
    Company("Pixel Foundry", "default", "America/Sao_Paulo", 4.5, "evening", "prepaid", "writing", 0.0,
            ("Rafael Costa", "Bia Lima")),
    Company("Tide Analytics", "pro", "Australia/Sydney", 4.0, "office", "prepaid", "agents", 0.05,
            ("Jack Wilson", "Chloe Nguyen")),
    Company("Oak & Elm Legal", "enterprise", "Europe/Paris", 3.5, "office", "invoice", "writing", 0.0,
            ("Camille Laurent", "Hugo Petit")),
    Company("Shanghai Tea Export", "default", "Asia/Shanghai", 3.0, "office", "prepaid", "support", 0.1,
            ("Wei Zhang", "Li Na")),
    Company("Fjord Robotics", "pro", "Europe/Oslo", 2.6, "steady", "prepaid", "coding", 0.0,
            ("Ingrid Dahl", "Lars Moen")),
    Company("Campus Compass", "default", "Asia/Kolkata", 2.2, "evening", "prepaid", "hobby", 0.15,
            ("Ananya Rao", "Vikram Iyer")),
    Company("Nightly Batch Co", "pro", "UTC", 2.0, "night", "prepaid", "search", 0.0,
            ("Root Robot",)),
    Company("Bright Bakery", "default", "Europe/Madrid", 1.6, "office", "prepaid", "hobby", 0.25,
            ("Lucia Gomez",)),
    Company("Delta Dispatch", "default", "America/Chicago", 1.3, "steady", "prepaid", "support", 0.4,
            ("Tom Becker", "Ruth Allen")),
    Company("Open Atlas", "trial", "Europe/Rome", 1.0, "evening", "trial", "hobby", 0.3,
            ("Giulia Conti",)),
    Company("Two Person Studio", "trial", "Asia/Seoul", 0.8, "evening", "trial", "writing", 0.5,
            ("Jiwoo Kim", "Minjun Lee")),
    Company("Solo Developer", "default", "Africa/Lagos", 0.6, "evening", "prepaid", "coding", 0.55,
            ("Chidi Okafor",)),
    Company("Late Arrival GmbH", "default", "Europe/Vienna", 0.9, "office", "prepaid", "support", 0.7,
            ("Paul Gruber", "Eva Steiner")),
)  # fmt: skip
"""Further tenants are these again, smaller, with a number behind their name."""


class Task(NamedTuple):
    """One kind of call."""

    surface: str
    model: str
    weight: int
    prompt: int
    """Tokens, in the middle; characters of speech, milliseconds of what is transcribed."""
    output: int
    """Tokens, in the middle; 0 for what has none."""
    cached: float = 0.0
    """The part of calls that find most of their prompt in the vendor's cache."""
    reasoning: float = 0.0
    """The part of the output that the model wrote for itself."""
    stream: float = 0.6


MIXES: Final[dict[Mix, tuple[Task, ...]]] = {
    "support": (
        Task("chat", "gpt-5-mini", 46, 1400, 240, cached=0.5, reasoning=0.2, stream=0.8),
        Task("chat", "claude-haiku-4-5", 22, 1700, 260, cached=0.6, stream=0.8),
        Task("embeddings", "text-embedding-3-small", 24, 420, 0),
        Task("chat", "gemini-2.5-flash", 8, 2200, 310, cached=0.2),
    ),
    "coding": (
        Task("chat", "claude-sonnet-4-5", 44, 9500, 700, cached=0.75, stream=0.95),
        Task("chat", "gpt-5", 22, 7200, 900, cached=0.55, reasoning=0.5, stream=0.9),
        Task("chat", "deepseek-chat", 20, 5200, 520, cached=0.3),
        Task("chat", "gpt-5-nano", 14, 900, 60),
    ),
    "search": (
        Task("embeddings", "text-embedding-3-large", 48, 610, 0),
        Task("embeddings", "text-embedding-3-small", 20, 330, 0),
        Task("chat", "gemini-2.5-flash-lite", 26, 3100, 120, cached=0.1, stream=0.3),
        Task("chat", "gpt-4.1-mini", 6, 2600, 210, stream=0.4),
    ),
    "agents": (
        Task("chat", "gpt-5-mini", 40, 5200, 380, cached=0.7, reasoning=0.4, stream=0.2),
        Task("chat", "gpt-5", 16, 8200, 640, cached=0.6, reasoning=0.5, stream=0.2),
        Task("chat", "claude-sonnet-4-5", 18, 11000, 420, cached=0.8, stream=0.3),
        Task("chat", "mistral-small-latest", 26, 2100, 160, stream=0.1),
    ),
    "writing": (
        Task("chat", "gpt-5", 30, 2300, 1200, cached=0.2, reasoning=0.3, stream=0.95),
        Task("chat", "claude-sonnet-4-5", 34, 3100, 1300, cached=0.3, stream=0.95),
        Task("chat", "gpt-4.1-mini", 30, 900, 420, stream=0.9),
        Task("chat", "mistral-large-latest", 6, 1900, 800, stream=0.9),
    ),
    "voice": (
        Task("transcriptions", "whisper-1", 26, 95_000, 0),
        Task("chat", "gpt-5-mini", 52, 2600, 420, cached=0.3, reasoning=0.2),
        Task("speech", "tts-1", 14, 480, 0),
        Task("chat", "claude-haiku-4-5", 8, 2400, 380),
    ),
    "hobby": (
        Task("chat", "gpt-5-nano", 44, 500, 180),
        Task("chat", "gemini-2.5-flash-lite", 30, 700, 220),
        Task("chat", "deepseek-chat", 18, 1100, 340),
        Task("chat", "gpt-5-mini", 8, 900, 260, reasoning=0.2),
    ),
}


class Vendor(NamedTuple):
    """A channel."""

    name: str
    type: str
    models: tuple[str, ...]
    groups: tuple[str, ...]
    weight: int
    cost: str
    """What it charges, of the list price; exact."""
    fault_rate: float
    """The part of its calls that fail when nothing in particular is wrong."""
    priority: int = 0


_OPENAI: Final = (
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1-mini", "text-embedding-3-small", "text-embedding-3-large",
    "whisper-1", "tts-1",
)  # fmt: skip
VENDORS: Final = (
    Vendor("OpenAI, first account", "openai", _OPENAI, ("default", "premium"), 70, "0.85", 0.004),
    Vendor("OpenAI, second account", "openai", _OPENAI, ("default",), 30, "0.9", 0.006),
    Vendor("Anthropic", "anthropic", ("claude-sonnet-4-5", "claude-haiku-4-5"), ("default", "premium"),
           80, "0.9", 0.006),
    Vendor("Gemini", "gemini", ("gemini-2.5-flash", "gemini-2.5-flash-lite"), ("default",), 100, "0.8", 0.005),
    Vendor("DeepSeek", "deepseek", ("deepseek-chat",), ("default", "economy"), 100, "0.7", 0.012),
    Vendor("Mistral", "mistral", ("mistral-small-latest", "mistral-large-latest"), ("default",), 100, "0.85", 0.004),
    Vendor("Bargain Reseller", "openrouter",
           ("gpt-5-mini", "claude-sonnet-4-5", "claude-haiku-4-5", "deepseek-chat", "gemini-2.5-flash"),
           ("economy",), 12, "0.6", 0.045),
    Vendor("Canary provider", "openrouter", ("gpt-5-mini",), ("canary",), 100, "0.65", 0.015),
)  # fmt: skip

OPERATORS: Final = (
    ("olga.admin", "Olga Admin", "admin"),
    ("aaron.auditor", "Aaron Auditor", "auditor"),
    ("sue.support", "Sue Support", "support"),
)

TAGS: Final = (("production",), ("production", "batch"), ("staging",), ("development",), ())
TOKEN_NAMES: Final = ("Production", "Nightly jobs", "Staging", "Notebook", "Trial run")
