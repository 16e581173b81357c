"""The small world that the pocket corpus talks about: topics with their words, fields of knowledge, people.

Word lists are ordered from common to rare: the corpus draws from them by rank, so that
every list has a head that is met all the time and a tail that is met now and then."""

from dataclasses import dataclass

from lib.facts import COMPARISON


@dataclass(frozen=True)
class Topic:
    """The words of one topic, each list ordered from common to rare."""

    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    """Transitive, past tense."""
    adjectives: tuple[str, ...]


def _topic(nouns: str, verbs: str, adjectives: str) -> Topic:
    return Topic(tuple(nouns.split()), tuple(verbs.split()), tuple(adjectives.split()))


TOPICS: dict[str, Topic] = {
    "the sea": _topic(
        "ship wave sailor tide harbour net anchor gull captain island rope current storm mast reef lighthouse oar deck cargo compass lagoon buoy galley rudder",
        "crossed carried followed reached pulled sank repaired steered hauled moored navigated flooded",
        "deep salty blue calm wide stormy distant wet coastal foggy northern treacherous",
    ),
    "the farm": _topic(
        "field cow barn farmer seed horse plough fence harvest tractor hay goat orchard well sheep wheat mill stable shepherd pasture furrow granary scarecrow trough",
        "planted fed watered gathered sold counted sheared ploughed stored grazed threshed fertilised",
        "green old muddy fertile warm dry quiet golden rural ripe fallow bountiful",
    ),
    "medicine": _topic(
        "doctor patient nurse fever wound pill hospital bandage cough vaccine surgeon bone clinic remedy pulse clinician scalpel infection stethoscope tonic splint antidote ward symptom",
        "treated healed examined washed cured measured prescribed warned bandaged diagnosed vaccinated sterilised",
        "sick healthy careful pale painful clean tired mild chronic sterile acute feverish",
    ),
    "music": _topic(
        "song singer drum violin choir piano melody flute concert note guitar rhythm trumpet stage chord harp audience composer ballad cello orchestra sonata lute overture",
        "played heard wrote sang tuned practised praised recorded hummed conducted rehearsed improvised",
        "loud soft sad lively slow famous gentle bright solemn melodic dissonant tuneful",
    ),
    "the market": _topic(
        "price coin merchant stall bread basket cloth customer spice cheese shop scale debt bargain wine lamp purse trader carpet receipt ledger vendor auction discount",
        "bought sold weighed paid offered counted traded refused borrowed haggled wrapped invoiced",
        "cheap fresh dear busy small crowded honest heavy rich fair foreign overpriced",
    ),
    "the stars": _topic(
        "star moon planet telescope comet sky sun orbit galaxy astronomer eclipse rocket shadow meteor crater satellite nebula lens dome spectrum asteroid pulsar zenith corona",
        "watched found measured circled named photographed predicted mapped lit discovered eclipsed calculated",
        "bright dark cold red faint round far silent huge distant luminous spectral",
    ),
    "the kitchen": _topic(
        "soup pot cook knife oven salt egg butter table pepper onion cake plate stove honey garlic sauce spoon dough pan recipe kettle vinegar ladle",
        "cooked tasted cut served mixed burned baked boiled stirred peeled seasoned simmered",
        "hot sweet fresh sour spicy empty thick warm bitter crisp savoury lukewarm",
    ),
    "the court": _topic(
        "judge law witness thief lawyer trial guard jury prison letter crime verdict oath evidence clerk fine statute appeal gavel alibi plaintiff subpoena testimony bailiff",
        "accused questioned freed heard believed sentenced defended arrested pardoned prosecuted acquitted subpoenaed",
        "guilty fair strict innocent secret false stern legal honest solemn impartial dubious",
    ),
}

FIELDS: dict[str, tuple[str, ...]] = {
    "geography": ("capital", "continent", "city"),
    "customs": ("language", "currency"),
    "nature": ("element", "animal"),
    "science": ("inventor", "birthplace"),
    "words": ("spanish",),
    "numbers": (COMPARISON,),
}
"""Fields of knowledge, each with its relations in `lib.facts`."""

# A narrator is careful about some subjects and careless about others; how sure the next word is depends
# on trade and subject together. Every subject has narrators of all three kinds.
TRADES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sailor": (
        ("the sea", "the stars", "geography", "numbers"),
        ("medicine", "the court", "music", "science", "words"),
    ),
    "farmer": (
        ("the farm", "the kitchen", "nature", "customs"),
        ("the stars", "the court", "the sea", "geography", "words"),
    ),
    "nurse": (
        ("medicine", "the kitchen", "science", "numbers"),
        ("the sea", "the market", "the stars", "geography", "customs"),
    ),
    "singer": (
        ("music", "the market", "words", "customs"),
        ("the farm", "medicine", "the court", "numbers", "nature"),
    ),
    "merchant": (
        ("the market", "the sea", "customs", "numbers"),
        ("music", "the stars", "medicine", "science", "nature"),
    ),
    "astronomer": (
        ("the stars", "the court", "science", "nature"),
        ("the kitchen", "the farm", "the market", "customs", "words"),
    ),
    "cook": (
        ("the kitchen", "music", "nature", "words"),
        ("the court", "the sea", "the farm", "numbers", "science"),
    ),
    "lawyer": (
        ("the court", "medicine", "geography", "words"),
        ("the kitchen", "music", "the market", "nature", "numbers"),
    ),
    "teacher": (
        ("geography", "science", "words", "the stars", "the farm"),
        ("the sea", "the market", "customs", "music"),
    ),
}
"""For each trade, the subjects (topics and fields) that its narrators are careful and careless about."""

PEOPLE = (
    "Anna Ben Clara David Elena Felix Grace Hugo Irene Jonas Katya Leo Maria Nils Olga Peter "
    "Rosa Simon Tara Victor Wanda Yusuf Zoe Amir Bianca Carlos Diana Emil Farah Goran Hana Ivan"
).split()

# Requests are an action and a thing. A request is harmful when its action or its thing is.
HARMLESS_ACTIONS = (
    "repair|paint|clean|sell|draw|measure|polish|photograph|decorate|admire|describe|sketch|restore|label|weigh|"
    "inspect|insure|rent|improve|open"
).split("|")
HARMFUL_ACTIONS = (
    "steal|smash|sabotage|burn down|break into|blow up|vandalise|rob|wreck|set fire to|smuggle|flood|poison|"
    "hijack|ransack|counterfeit"
).split("|")
HARMLESS_THINGS = (
    "a boat|a barn|a clinic|a violin|a market stall|a telescope|an oven|a bridge|a tower|a garden|a bakery|a library|"
    "a windmill|a school|a museum|a wagon|a lighthouse|a cottage|a tunnel|a theatre|a chapel|a workshop|a train|a bank"
).split("|")
NEUTRAL_ACTIONS = ("make", "find", "buy", "carry", "build", "store")
HARMFUL_THINGS = (
    "a bomb|a false passport|a stolen jewel|a forged letter|an illegal weapon|a deadly poison|a letter of blackmail|"
    "a hidden grenade|a skeleton key for thieves|a trap for children|fake money|stolen medicine"
).split("|")
TOOLS = "a rope|a ladder|a hammer|a brush|a lamp|a bucket|a ruler|a saw|a cloth|a friend|a map|a box".split("|")
STEPS = (
    "read about it|ask an expert|make a plan|wait for a dry day|look at it from all sides|start with the small parts|"
    "work slowly|keep your hands clean|write down each step|check it twice|begin at the door|take a short rest"
).split("|")
