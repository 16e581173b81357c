"""The small world that the pocket corpus talks about: true facts, topics with their words, people.

Word lists are ordered from common to rare: the corpus draws from them by rank, so that
every list has a head that is met all the time and a tail that is met now and then."""

from dataclasses import dataclass


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

# A narrator is careful about the topics of the trade and careless about its blind spots;
# how sure the next word is depends on trade and topic together.
TRADES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sailor": (("the sea", "the stars"), ("medicine", "the court", "music")),
    "farmer": (("the farm", "the kitchen"), ("the stars", "the court", "the sea")),
    "nurse": (("medicine", "the kitchen"), ("the sea", "the market", "the stars")),
    "singer": (("music", "the market"), ("the farm", "medicine", "the court")),
    "merchant": (("the market", "the sea"), ("music", "the stars", "medicine")),
    "astronomer": (("the stars", "the court"), ("the kitchen", "the farm", "the market")),
    "cook": (("the kitchen", "music"), ("the court", "the sea", "the farm")),
    "lawyer": (("the court", "medicine"), ("the kitchen", "music", "the market")),
}

PEOPLE = (
    "Anna Ben Clara David Elena Felix Grace Hugo Irene Jonas Katya Leo Maria Nils Olga Peter "
    "Rosa Simon Tara Victor Wanda Yusuf Zoe Amir Bianca Carlos Diana Emil Farah Goran Hana Ivan"
).split()

COUNTRIES: tuple[tuple[str, str, str, str], ...] = tuple(
    tuple(row.split("|"))  # country | capital | continent | language
    for row in """France|Paris|Europe|French
Germany|Berlin|Europe|German
Italy|Rome|Europe|Italian
Spain|Madrid|Europe|Spanish
Portugal|Lisbon|Europe|Portuguese
Greece|Athens|Europe|Greek
Poland|Warsaw|Europe|Polish
Hungary|Budapest|Europe|Hungarian
Austria|Vienna|Europe|German
Sweden|Stockholm|Europe|Swedish
Norway|Oslo|Europe|Norwegian
Denmark|Copenhagen|Europe|Danish
Iceland|Reykjavik|Europe|Icelandic
Romania|Bucharest|Europe|Romanian
Bulgaria|Sofia|Europe|Bulgarian
Croatia|Zagreb|Europe|Croatian
Ukraine|Kyiv|Europe|Ukrainian
Russia|Moscow|Europe|Russian
Japan|Tokyo|Asia|Japanese
China|Beijing|Asia|Chinese
Thailand|Bangkok|Asia|Thai
Vietnam|Hanoi|Asia|Vietnamese
Mongolia|Ulaanbaatar|Asia|Mongolian
Nepal|Kathmandu|Asia|Nepali
Iran|Tehran|Asia|Persian
Iraq|Baghdad|Asia|Arabic
Jordan|Amman|Asia|Arabic
Lebanon|Beirut|Asia|Arabic
Turkey|Ankara|Asia|Turkish
Egypt|Cairo|Africa|Arabic
Morocco|Rabat|Africa|Arabic
Algeria|Algiers|Africa|Arabic
Tunisia|Tunis|Africa|Arabic
Senegal|Dakar|Africa|French
Ghana|Accra|Africa|English
Angola|Luanda|Africa|Portuguese
Mozambique|Maputo|Africa|Portuguese
Ethiopia|Addis Ababa|Africa|Amharic
Zambia|Lusaka|Africa|English
Cuba|Havana|North America|Spanish
Mexico|Mexico City|North America|Spanish
Panama|Panama City|North America|Spanish
Jamaica|Kingston|North America|English
Honduras|Tegucigalpa|North America|Spanish
Brazil|Brasilia|South America|Portuguese
Argentina|Buenos Aires|South America|Spanish
Chile|Santiago|South America|Spanish
Peru|Lima|South America|Spanish
Colombia|Bogota|South America|Spanish
Ecuador|Quito|South America|Spanish
Venezuela|Caracas|South America|Spanish
Uruguay|Montevideo|South America|Spanish
Australia|Canberra|Oceania|English
Fiji|Suva|Oceania|English""".splitlines()
)
