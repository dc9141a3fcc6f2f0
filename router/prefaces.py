"""What models say to whoever asked them to go on, before they do: data.

`POLITE`: a word that may as well belong to the answer ("Of course, ..."). `ANNOUNCED`: talk of the
answer itself ("Here is the rest:"). One that ends in a mark only counts with that mark.
"""

from __future__ import annotations

POLITE = {
    "en": "sure|of course|certainly|absolutely|okay|ok|alright|all right|no problem|got it|understood|gladly",
    "de": "natürlich|gerne|gern|klar|selbstverständlich|alles klar|verstanden|sicher",
    "fr": "bien sûr|d'accord|certainement|très bien|avec plaisir|entendu",
    "es": "claro|por supuesto|desde luego|de acuerdo|entendido|vale",
    "it": "certo|certamente|va bene|volentieri",
    "pt": "com certeza|está bem|claro que sim",
    "nl": "natuurlijk|zeker|oké|uiteraard",
    "pl": "oczywiście|jasne|pewnie|dobrze",
    "ru": "конечно|хорошо|разумеется|понял|ладно",
    "zh": "好的|当然|当然可以|没问题|明白了",
    "ja": "はい|もちろん|もちろんです|承知しました|わかりました|了解しました|かしこまりました",
    "ko": "네|물론입니다|물론이죠|알겠습니다",
    "ar": "بالطبع|بالتأكيد|حسنًا|حسنا|طبعًا",
    "hi": "ज़रूर|बिल्कुल|ठीक है|अवश्य",
}
ANNOUNCED = {
    "en": "here is the rest|here's the rest|here is the remaining|here's the remaining"
    "|here are the remaining|here is the continuation|here's the continuation"
    "|continuing:|continuing...|continuing from|continuing where|continuing my|continuing the answer"
    "|continuing the list|continuing the code|continuing the table|continuation:|continued:"
    "|(continued)|[continued]|(continuing|to continue:|let me continue|i'll continue|i will continue"
    "|i'll pick up|picking up where|picking up from|resuming from|resuming where"
    "|i'd be happy to continue|i'm happy to continue|happy to continue"
    "|sorry about that|sorry for the interruption|sorry, my answer|i apologize for the interruption"
    "|i apologise for the interruption|apologies for the interruption|i apologize for the cut"
    "|my apologies for the interruption|my answer was cut|my response was cut|my answer broke off",
    "de": "hier ist der rest|hier der rest|hier kommt der rest|hier ist die fortsetzung"
    "|hier die fortsetzung|hier geht es weiter|hier geht's weiter|ich fahre fort:|ich mache weiter:"
    "|weiter geht's|fortsetzung:|(fortsetzung)|entschuldige die unterbrechung"
    "|entschuldigung für die unterbrechung|entschuldigen sie die unterbrechung",
    "fr": "voici la suite|voici le reste|je continue:|je poursuis:|je reprends:|je reprends là où"
    "|suite:|(suite)|désolé pour l'interruption|désolée pour l'interruption"
    "|je m'excuse pour l'interruption|toutes mes excuses pour l'interruption",
    "es": "aquí está el resto|aquí tienes el resto|aquí está la continuación|continúo:"
    "|aquí tienes la continuación|continúo desde donde|continuación:|(continuación)|sigo:"
    "|perdón por la interrupción|lamento la interrupción|disculpa la interrupción",
    "it": "ecco il resto|ecco il seguito|ecco la continuazione|continuo:|riprendo:"
    "|scusa per l'interruzione|mi scuso per l'interruzione",
    "pt": "aqui está o resto|aqui está o restante|aqui está a continuação|continuando:|continuação:"
    "|desculpe a interrupção|desculpe pela interrupção|peço desculpa pela interrupção",
    "nl": "hier is de rest|hier is het vervolg|ik ga verder:|vervolg:"
    "|sorry voor de onderbreking|excuses voor de onderbreking",
    "pl": "oto reszta|oto ciąg dalszy|oto dalszy ciąg|kontynuuję:|kontynuując:|ciąg dalszy:"
    "|przepraszam za przerwę|przepraszam za przerwanie",
    "ru": "вот продолжение|вот остальная часть|вот оставшаяся часть|продолжаю:|продолжаю с того"
    "|продолжение:|извините за прерывание|извини за прерывание|прошу прощения за прерывание",
    "zh": "以下是剩余|以下是其余|以下是后续|以下是接下来|以下为后续|以下是续|接上文|接着上文|继续:"
    "|继续上文|下面继续|我继续|我接着|我将继续|抱歉中断|很抱歉中断|抱歉,刚才|抱歉,回答中断",
    "ja": "続きです|以下が続きです|以下は続きです|続きは以下の通り|続きを書きます|続けます|では、続けます"
    "|では続けます|それでは続けます|それでは、続き|中断して|途中で切れてしまい|回答が途切れて",
    "ko": "계속하겠습니다|계속해서 작성|이어서 작성|이어서 쓰겠|다음은 나머지|나머지 내용입니다"
    "|중단되어 죄송|답변이 끊겨",
    "ar": "إليك البقية|إليك بقية|إليك التكملة|إليك تتمة|تتمة:|متابعة:|سأكمل من|سأتابع من"
    "|أعتذر عن الانقطاع|عذرًا على الانقطاع|آسف على الانقطاع",
    "hi": "यह रहा बाकी|यहाँ बाकी|ये रहा शेष|यहाँ शेष|आगे का भाग:|जारी रखते हुए:|रुकावट के लिए",
}
