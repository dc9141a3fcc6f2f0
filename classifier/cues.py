"""Words that name a task, in the languages our users write most."""

from __future__ import annotations

import re

# name -> (words with a boundary on both sides, pieces of scripts that write without spaces)
_CUES: dict[str, tuple[str, str]] = {
    "translate": (
        r"trans?l\w{0,2}t\w*|transalt\w*|render\w* .{0,30} in|übersetz\w*|tradui\w*|traduc\w*|traduz\w*|перевед\w*|переклад\w*"
        r"|przetłumacz\w*|vertaal\w*|översätt\w*|çevir\w*|how (?:do|would) .{0,20} say|what language|comment dit-on|cómo se dice"
        r"|wie heißt|come si (?:dice|traduce)|как будет по"
        r"|(?:in|into|to|auf|ins|en|em|på|na|till|naar het) (?:english|french|german|spanish|italian|japanese|chinese|korean"
        r"|russian|portuguese|polish|dutch|arabic|hindi|latin|swedish|turkish|vietnamese|englische?|deutsche?|französische?"
        r"|spanische?|anglais|allemand|español|inglés|inglese|inglês|engels|engelska|angielski|английский)",
        "翻译|翻譯|翻訳|訳して|英語に|日本語に|用英语|번역|ترجم|अनुवाद",
    ),
    "summarise": (
        r"sum+ar\w*|tl;?dr|sum(?:med)? .{0,12}up|in a nutshell|key points|takeaways|main points|headline|title for|titled?"
        r"|abstract|synopsis|condens\w*|boils? down|recap|highlights|one line|fasse\b.{0,60}zusammen|résum\w*|resum[aei]\w*"
        r"|riassum\w*|перескажи|кратко",
        "总结|概括|要約|요약",
    ),
    "rewrite": (
        r"re-?writ\w*|re-?phras\w*|paraphras\w*|proofread|polish|grammar|shorten|shorter|simplif\w*|expand"
        r"|(?:more|less|sound) .{0,6}(?:formal|polite\w*|professional|casual|concise|friendly|angry)|in other words|reword|improve"
        r"|plain english|passive voice|active voice|formulier\w*|korrigier\w*|corrige\w*|reescrib\w*|reescrev\w*",
        "修改|改写|改得|更礼貌|添削|공손",
    ),
    "classify": (
        r"clas+if\w*|claas+if\w*|categor\w*|label|sentiment|positive|negative|neutral|spam|which (?:of these|section|topic|category)"
        r"|belongs? to|true or false|yes or no|entail\w*|contradict\w*|(?:same|mean the same) (?:thing|meaning)|equivalent"
        r"|tone of|rat(?:e|ing)|stars?|tag|sort|odd one out|recommend|satisfied|formal or|urgent or|klassifi\w*|clasific\w*"
        r"|positivo?|negativo?|тональность|ironi\w*",
        "判断|分类|好评|肯定的",
    ),
    "extract": (
        r"ext[ra]{2}ct\w*|pull (?:out|the)|find (?:all|every|the)|(?:list|get) (?:me )?(?:all|every|the)|according to|passage|context"
        r"|article|paragraph|the (?:text|log|document|story)|based on|mentioned|answer the (?:following )?question"
        r"|contains? (?:an|the) answer|parse|nenne alle|estra\w*|saca|достань",
        "提取|抜き出",
    ),
    "create": (
        r"poems?|stor(?:y|ies)|haiku|song|lyrics|jokes?|slogan|limerick|essay|speech|dialogue|monologue|caption|brainstorm|ideas"
        r"|invent|imagine|names? for|novel|fiction|roleplay|come up with|itinerary|sentence (?:with|using)|use the words|tweet"
        r"|(?:write|draft) .{0,20}(?:post|letter|email|card|text|scene|report)|gedicht|geschichte|poème|histoire|poema|cuento"
        r"|chiste|storia|lettera|стих\w*|сочини",
        "写一首|故事|物語|소설|起.个名|써줘",
    ),
    "code": (
        r"code|coding|functions?|\w+(?:exception|error)|python|javascript|typescript|node(?:js)?|java|kotlin|swift|rust|golang|php"
        r"|c\+\+|cpp|c#|sql|postgres\w*|mysql|redis|kafka|mongo\w*|queries|query|bash|shell|powershell|regex|scripts?|bugs?|compil\w*"
        r"|exception|stack ?trace|api|endpoints?|json|yaml|html|css|z-index|react|vue|angular|django|flask|fastapi|pandas|numpy"
        r"|git|github|docker\w*|kubectl|kubernetes|terraform|nginx|linux|ubuntu|ssh|cron|vim|vscode|npm|pip|cuda|class(?:es)?|methods?"
        r"|algorithm|arrays?|dictionar(?:y|ies)|variables?|loops?|mutex|sockets?|closures?|decorators?|async|threads?|heap|big o"
        r"|leetcode|unit tests?|tests?|refactor\w*|implement\w*|debug\w*|deploy\w*|builds?|imports?|commit|branch|merge|repo(?:sitory)?"
        r"|codebase|cli|flag|config\w*|login|backend|frontend|website|excel|spreadsheet|google sheets|formula|vba|macro|latex|files?"
        r"|error|funktion|función|fonction|funzione|функци\w*|метод|programm\w*",
        "函数|関数|代码|コード|バグ|코드|함수",
    ),
    "solve": (
        r"solve|prov(?:e|ing)|proof|calculat\w*|comput\w*|how (?:many|much|long|far|fast)|probabilit\w*|equation|integral"
        r"|derivative|series|convergent|continuous|bounded|finite|square root|divided|times|convert|simplify|evaluate|perimeter|average|percent\w*|triangle|total|remainder|expected (?:value|number)|next number|taller|older|if all|truth|lies|puzzle|riddle"
        r"|show that|beweis\w*|berechne|wie viele|combien|quelle distance|cuánt\w*|сколько|докажи",
        "多少|还剩|いくつ|何個",
    ),
    "explain": (
        r"who|what|what's|when|where|why|which|how|difference between|explain|meaning of|capital of|tips|best"
        r"|wer|was ist|warum|qui|pourquoi|quién|qué|por qué|cuál|chi|quanti|perché|кто|почему|что такое",
        "谁|什么|为什么|為什麼|誰|なぜ|どこ|何ですか|क्या|ما هي",
    ),
    "talk": (
        r"hi|he+y+|hello+|yo|thanks|thank you|th?x|ty|lol|haha\w*|good (?:morning|night|evening)|bye|i feel|i'm|i am|im"
        r"|you|my|hallo|salut|hola|ciao|oi|привет|спасибо|merci|danke|gracias",
        "你好|谢谢|こんにちは|ありがとう|안녕|नमस्ते|مرحبا",
    ),
    "given": (  # the text itself is quoted or handed over after a colon
        r"the following|below|this (?:text|sentence|email|review|paragraph|message|article)|folgende\w*|suivant\w*|siguiente|seguente",
        "下面|以下|次の",
    ),
}

CUES: dict[str, re.Pattern[str]] = {
    name: re.compile(rf"(?<!\w)(?:{words})(?!\w)|{pieces}", re.IGNORECASE)
    for name, (words, pieces) in _CUES.items()
}
