"""Long answers for models that break off anywhere: prose in many languages, lists, tables, code."""

from __future__ import annotations

ANSWERS: dict[str, str] = {
    "en": (
        "The Rhine rises in the Alps. It flows through six countries before it reaches the sea, "
        "and 1,233 km lie between source and mouth. Barges carry ore, grain and oil on it: about "
        "300 million tonnes a year. In dry summers the water at Kaub falls below 40 cm, and then "
        "half-empty ships cost the industry dearly.\n\nWho pays? Mostly the chemical plants "
        "(“a bad joke”, said one manager in 2018). They have since built shallow-draught tankers, "
        "leased trains, and learned to read the forecast six weeks ahead."
    ),
    "de": (
        "Der Rhein entspringt in den Alpen und durchfließt sechs Länder. Auf ihm fahren jedes Jahr "
        "Schiffe mit rund 300 Millionen Tonnen Erz, Getreide und Öl. Bei Kaub fällt der Pegel in "
        "trockenen Sommern unter 40 cm; dann fahren die Schiffe halb leer.\n\nDas ist teuer: „Jeder "
        "Zentimeter zählt“, sagen die Reeder. Manche Werke bauen deshalb flachere Tanker, andere "
        "mieten Züge, und alle lesen die Vorhersage z. B. sechs Wochen im Voraus."
    ),
    "fr": (
        "Le Rhin prend sa source dans les Alpes. Il traverse six pays avant d'atteindre la mer, et "
        "l'on y transporte du minerai, des céréales et du pétrole : environ 300 millions de tonnes "
        "par an. L'été, l'eau descend parfois sous 40 cm à Kaub, et les bateaux naviguent à moitié "
        "vides. « C'est cher », disent les industriels ; aujourd'hui, ils louent des trains."
    ),
    "es": (
        "El Rin nace en los Alpes. Atraviesa seis países antes de llegar al mar y por él viajan "
        "unos 300 millones de toneladas al año: mineral, grano y petróleo. ¿Qué pasa en verano? El "
        "agua baja a menos de 40 cm en Kaub, y los barcos navegan medio vacíos. ¡Eso sale caro! "
        "Por eso algunas fábricas han construido buques más planos."
    ),
    "ru": (
        "Рейн берёт начало в Альпах. Он протекает через шесть стран, прежде чем достигнуть моря. "
        "Баржи везут по нему руду, зерно и нефть — около 300 миллионов тонн в год. Сухим летом вода "
        "у Кауба падает ниже 40 см, и полупустые суда дорого обходятся промышленности."
    ),
    "zh": (
        "莱茵河发源于阿尔卑斯山。它流经六个国家，最后注入北海，全长约1233公里。驳船每年运送约3亿吨"
        "矿石、粮食和石油。夏季干旱时，考布的水位会降到40厘米以下，半空的船只让工业付出高昂的代价。"
        "于是一些工厂建造了吃水更浅的油轮，另一些则改租火车。"
    ),
    "ja": (
        "ライン川はアルプスに源を発します。六つの国を流れ、北海に注ぐまでの長さは約1233キロです。"
        "毎年およそ3億トンの鉱石や穀物、石油が運ばれます。夏に雨が少ないと、カウプの水位は40センチを"
        "下回り、船は荷を半分しか積めません。そのため、喫水の浅い船を造った工場もあります。"
    ),
    "ar": (
        "ينبع نهر الراين من جبال الألب. ويمر بست دول قبل أن يصل إلى البحر، ويبلغ طوله نحو 1233 كم. "
        "تنقل السفن فيه الخام والحبوب والنفط كل عام. وفي الصيف الجاف ينخفض الماء عند كاوب إلى ما دون "
        "40 سم، فتبحر السفن نصف فارغة، وهذا يكلف المصانع كثيرًا."
    ),
    "hi": (
        "राइन नदी आल्प्स से निकलती है। यह छह देशों से होकर समुद्र तक पहुँचती है और इसकी लंबाई लगभग 1233 किमी है। "
        "हर साल इस पर अयस्क, अनाज और तेल ढोया जाता है। सूखी गर्मियों में पानी 40 सेमी से नीचे चला जाता है, "
        "और आधे खाली जहाज़ उद्योग को महँगे पड़ते हैं।"
    ),
    "ko": (
        "라인강은 알프스에서 시작됩니다. 여섯 나라를 지나 바다에 이르며, 길이는 약 1233km입니다. 해마다 광석과 "
        "곡물, 석유가 이 강을 따라 운반됩니다. 가뭄이 든 여름에는 카우프의 수위가 40cm 아래로 내려가고, 반쯤 빈 "
        "배들이 산업에 큰 부담을 줍니다."
    ),
    "list": (
        "To move house without tears, begin early:\n\n1. Sort your books by the room they will "
        "stand in.\n2. Book the van three weeks ahead; Fridays are dear.\n3. Pack one bag with "
        "what the first night needs:\n   - towels and soap\n   - a lamp that works\n   - "
        "**chargers**, all of them\n4. Photograph the meters.\n\nWhen the last box is out, close "
        "the water, leave the keys with Ms. Ortiz and do not look back."
    ),
    "table": (
        "Three rivers compared:\n\n| River | Length | Sea |\n|---|---:|---|\n| Rhine | 1,233 km | "
        "North Sea |\n| Elbe | 1,094 km | North Sea, at Cuxhaven |\n| Oder | 840 km | Baltic |\n\n"
        "The Rhine is the longest of them, yet the Elbe drains more land. Ships reach Basel, "
        "Prague and Gliwice."
    ),
    "code": (
        "Read the file line by line, and count what you need:\n\n```python\nfrom pathlib import "
        "Path\n\ndef longest(path: Path) -> str:\n    best = ''\n    for line in "
        "path.open(encoding='utf-8'):\n        if len(line) > len(best):\n            best = line\n"
        "    return best.rstrip('\\n')\n```\n\nIt keeps one line in memory, so a file of any size "
        "will do. Call `longest(Path('notes.txt'))` to try it."
    ),
}
