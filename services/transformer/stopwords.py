"""Function words by language: the evidence for language, and what no keyword starts or ends with.

Latin-script languages only need to be told apart by these; the other scripts mostly name their language themselves.
"""

from __future__ import annotations

_LISTS: dict[str, str] = {
    "en": """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
        which you were her all she there would their we him been has when who will no more if out so said what up its
        about into than them can only other new some could time these two may then do any my now such like our over
        also most must should does each your how where those between through under many same being after before both
        because while used use using see one us i me whether however during without within per via upon etc""",
    "de": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er
        hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur
        bis mehr durch man sein wurde sei kann wenn ihre ihr diese dieser dieses wir ich unter wo eines zwischen sowie
        können müssen muss ihrer ihren daß bzw beim vom dann da doch diesem diesen hier was welche alle jedoch ohne
        gegen soll sollte etwa etwas sehr nun mich mir uns war waren hatte ob weil wer""",
    "fr": """de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son ou
        aux cette ses mais comme leur être fait nous vous ont elle deux même aussi on sans peut tout sa ces si leurs
        entre dont ainsi été était très où bien sous lors ils afin chaque toute tous toutes depuis selon ceux celle
        notre votre y d l qu n s c j mon ma mes je tu lui donc ni car""",
    "es": """de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin
        sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué
        sólo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora cada e vida
        otro después te otros aunque esa eso hace otra estos estas según durante tras unos unas""",
    "it": """di e il la che in a per un è del con non una i le da si nel della sono gli come dei al alla anche più dal
        delle lo ha ma ed o dalla nella se su essere degli questo questa ai sul stato tra loro due cui fra quando dopo
        suo sua nei alle molto tutti può già prima così ci sia solo anni hanno era uno ad ogni perché dove sulla
        negli dell nell all dall sull quello quella questi queste""",
    "pt": """de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu
        sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos ter
        seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa pelos elas havia seja
        qual será nós lhe são sobre pode este esta cada onde""",
    "nl": """de van het een en in is dat op te zijn met voor niet aan er om ook als dan maar bij nog naar door over uit
        ze of wordt heeft werd hij worden deze die tot kan meer was je dit al hebben wat geen zich onder zo haar tegen
        moet zou waren had hun wel veel na andere zij daar toch zonder twee tussen omdat ik we u kunnen waar alle
        elke wij ons via""",
    "sv": """och att i det som en på är av för med den till inte om ett har de från var så men vi kan eller när också
        sig efter vid han man nu under mot ska skulle hade där sin finns alla ut mycket mer än upp utan över då detta
        dessa denna vara blir blev andra mellan genom få bara måste oss hon dem några sina samt deras""",
    "pl": """i w na z do nie się to że jest o a jak po od za przez co dla są tak ale czy oraz tym jego może być był
        ich lub tylko jej już było ze przy bardzo także które który która którzy ma tego te ten ta można go ja więc
        nad pod jako jednak bez gdy między by je we aby tej tych oraz""",
    "da": """og i at det er en til af på for med den ikke som der de et har fra han var kan om vi men så skal eller
        efter hvor når også ud sig over mod blev bliver havde være meget dette denne disse deres under mere man nu ved
        alle jeg hun dem hvad mellem skulle ville sin""",
    "nb": """og i det er en til av på for med den ikke som de et har fra han var kan om vi men så skal eller etter
        hvor når også ut seg over mot ble blir hadde være mye dette denne disse deres under mer man nå ved alle jeg
        hun dem hva mellom skulle ville sin hvis etter gjennom bare""",
    "fi": """ja on ei se että oli hän ovat myös kun tai mutta joka niin kuin sen ole jos mukaan sekä voi olla jotka
        tämä vain mitä ollut hänen joita nyt jo vielä siitä tämän ne minä sitä kanssa ennen jälkeen""",
    "cs": """a se v na je že s z do i o k pro ale by jako za po jsou tak od který která které jeho není ve nebo však
        aby už při jen podle až bylo byl také mezi což tento jejich co jeho jsem kde bude mezi""",
    "hu": """a az és hogy nem is egy ez meg volt csak de vagy mint már még el ki azt ha fel van lehet majd után minden
        mert ezt igen kell akkor pedig olyan több között sem amely""",
    "ro": """de și în a la cu pe că nu din se o un este care mai pentru sunt ca au sau dar ce prin fost lui ei acest
        această între după până fi am fiind unei unui""",
    "tr": """ve bir bu da de için ile olarak çok daha olan gibi en ise kadar her ne sonra ancak değil var olduğu veya
        ya ki mi hem diye bunu tarafından""",
    "ca": """de la i que el en a les els per un una amb no es del al és com més o però seva són als dels ha si aquest
        aquesta també fins entre sobre molt on perquè""",
    "la": """et in ad ut non sed qui quae cum est ac nec aut vel si enim ex ab quod per esse sunt eius atque quam
        sit amet dolor ipsum lorem nunc quis eu vitae nulla mauris diam tempor eget""",
    "ru": """и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой так от для вы о же
        все как его или если при до также был была было были может их чтобы только уже ее без более где когда через
        после между над под есть нет ли бы ещё еще эти этого том тем""",
    "uk": """і в не на я бути він з що а по це вона цей до але вони ми весь який із у то за свій так від для ви о же
        все як його або якщо при також був була було були може їх щоб тільки вже її без більше де коли через після
        між над під є та""",
    "bg": """и в не на се за да от с по е са като това към който ще при или но до най че която които са има беше също
        между след през без тази този""",
    "el": """και το να του η της με που την από για τα είναι στο οι των σε ο στην τον τη θα δεν ως στη τους ή ένα μια
        κατά αλλά όπως""",
    "ar": """في من على إلى أن عن التي الذي هذا هذه مع كان ما لا بين أو قد كل ذلك بعد هو هي غير عند كما لم ثم إن حيث
        لها له منها خلال حتى أي كانت يكون تكون وقد ولا وهو وهي فإن إذا""",
    "fa": """و در به از که این است را با برای آن یک خود تا کرد بر هم نیز شده می شود های ها یا اما""",
    "he": """של את על לא הוא עם כי זה גם או אם היא כל אך אל היה יש בין לפי מה אשר זו הם ידי עד רק כך אני אין כמו
        יותר לאחר ללא""",
    "ko": """및 등 수 것 그 이 또는 있는 있다 한다 하는 위한 대한 대해 통해 따라 경우 있습니다 합니다
        때문에 그러나 그리고 하지만 위해 관한 같은 의해 된다 되는 또한 이러한 있으며 없는 모든 가장 더 이를 각""",
}

STOPWORDS: dict[str, frozenset[str]] = {code: frozenset(words.split()) for code, words in _LISTS.items()}
"""Language code (ISO 639-1) -> lower-case function words."""
