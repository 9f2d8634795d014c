#include "answer/question_language.h"

#include <algorithm>
#include <array>

#include "answer/answer.h"
#include "retrieve/words.h"
#include "text/languages.h"
#include "text/word_cutter.h"

namespace s3attn {
namespace {

// English first: it is what stands in for a language that is not here. The English lines are
// measured (docs/answers.md), the others say the same.
constexpr std::array kPhrases{
    Phrases{"en", "Evidence:", "Question:", "Answer briefly, from the evidence.",
            "The indexed documents do not contain evidence for this question."},
    Phrases{"ar", "الأدلة:", "السؤال:", "أجب بإيجاز بالعربية، اعتمادًا على الأدلة.",
            "لا تحتوي المستندات المفهرسة على دليل لهذا السؤال."},
    Phrases{"bg", "Откъси:", "Въпрос:", "Отговори кратко на български, според откъсите.",
            "Индексираните документи не съдържат сведения по този въпрос."},
    Phrases{"ca", "Fragments:", "Pregunta:", "Respon breument en català, segons els fragments.",
            "Els documents indexats no contenen proves per a aquesta pregunta."},
    Phrases{"cs", "Úryvky:", "Otázka:", "Odpověz stručně česky, podle úryvků.",
            "Indexované dokumenty k této otázce nic neobsahují."},
    Phrases{"da", "Uddrag:", "Spørgsmål:", "Svar kort på dansk, ud fra uddragene.",
            "De indekserede dokumenter indeholder intet belæg for dette spørgsmål."},
    Phrases{"de", "Belege:", "Frage:", "Antworte kurz auf Deutsch, aus den Belegen.",
            "Die indizierten Dokumente enthalten keinen Beleg zu dieser Frage."},
    Phrases{"el", "Αποσπάσματα:", "Ερώτηση:", "Απάντησε σύντομα στα ελληνικά, από τα αποσπάσματα.",
            "Τα έγγραφα του ευρετηρίου δεν περιέχουν στοιχεία για αυτή την ερώτηση."},
    Phrases{"es", "Pasajes:", "Pregunta:", "Responde brevemente en español, según los pasajes.",
            "Los documentos indexados no contienen pruebas para esta pregunta."},
    Phrases{"fa", "شواهد:", "پرسش:", "کوتاه و به فارسی، بر پایهٔ شواهد پاسخ بده.",
            "اسناد نمایه‌شده شاهدی برای این پرسش ندارند."},
    Phrases{"fi", "Katkelmat:", "Kysymys:", "Vastaa lyhyesti suomeksi katkelmien perusteella.",
            "Indeksoiduissa asiakirjoissa ei ole näyttöä tähän kysymykseen."},
    Phrases{"fr",
            "Extraits :", "Question :", "Réponds brièvement en français, d'après les extraits.",
            "Les documents indexés ne contiennent pas d'éléments pour répondre à cette question."},
    Phrases{"he", "ראיות:", "שאלה:", "ענה בקצרה בעברית, לפי הראיות.",
            "המסמכים שבמפתח אינם מכילים ראיות לשאלה זו."},
    Phrases{"hi", "प्रमाण:", "प्रश्न:", "प्रमाण के आधार पर हिन्दी में संक्षेप में उत्तर दें।",
            "अनुक्रमित दस्तावेज़ों में इस प्रश्न का कोई प्रमाण नहीं है।"},
    Phrases{"hu", "Részletek:", "Kérdés:", "Válaszolj röviden, magyarul, a részletek alapján.",
            "Az indexelt dokumentumok nem tartalmaznak bizonyítékot erre a kérdésre."},
    Phrases{"id", "Bukti:", "Pertanyaan:", "Jawab singkat dalam bahasa Indonesia, dari bukti.",
            "Dokumen yang diindeks tidak memuat bukti untuk pertanyaan ini."},
    Phrases{"it", "Brani:", "Domanda:", "Rispondi brevemente in italiano, in base ai brani.",
            "I documenti indicizzati non contengono prove per questa domanda."},
    Phrases{"ja", "根拠：", "質問：", "根拠にもとづいて、日本語で簡潔に答えてください。",
            "索引された文書には、この質問の根拠となる記述がありません。"},
    Phrases{"ko", "근거:", "질문:", "근거에 따라 한국어로 짧게 답하세요.",
            "색인된 문서에는 이 질문에 대한 근거가 없습니다."},
    Phrases{"nl", "Fragmenten:", "Vraag:", "Antwoord kort in het Nederlands, uit de fragmenten.",
            "De geïndexeerde documenten bevatten geen bewijs voor deze vraag."},
    Phrases{"pl", "Fragmenty:", "Pytanie:", "Odpowiedz krótko po polsku, na podstawie fragmentów.",
            "Zindeksowane dokumenty nie zawierają informacji na to pytanie."},
    Phrases{"pt",
            "Trechos:", "Pergunta:", "Responde brevemente em português, com base nos trechos.",
            "Os documentos indexados não contêm evidência para esta pergunta."},
    Phrases{"ro", "Fragmente:", "Întrebare:", "Răspunde scurt în română, pe baza fragmentelor.",
            "Documentele indexate nu conțin dovezi pentru această întrebare."},
    Phrases{"ru", "Отрывки:", "Вопрос:", "Ответь кратко по-русски, по отрывкам.",
            "В проиндексированных документах нет сведений по этому вопросу."},
    Phrases{"sv", "Utdrag:", "Fråga:", "Svara kort på svenska, utifrån utdragen.",
            "De indexerade dokumenten innehåller inget belägg för den här frågan."},
    Phrases{"th", "หลักฐาน:", "คำถาม:", "ตอบสั้น ๆ เป็นภาษาไทยจากหลักฐาน",
            "เอกสารที่จัดทำดัชนีไม่มีหลักฐานสำหรับคำถามนี้"},
    Phrases{"tr", "Kanıtlar:", "Soru:", "Kanıtlara dayanarak Türkçe ve kısa yanıt ver.",
            "Dizine alınan belgeler bu soru için kanıt içermiyor."},
    Phrases{"uk", "Уривки:", "Питання:", "Відповідай коротко українською, за уривками.",
            "Проіндексовані документи не містять відомостей про це питання."},
    Phrases{"vi",
            "Bằng chứng:", "Câu hỏi:", "Trả lời ngắn gọn bằng tiếng Việt, dựa trên bằng chứng.",
            "Các tài liệu đã lập chỉ mục không có bằng chứng cho câu hỏi này."},
    Phrases{"zh", "证据：", "问题：", "请根据证据用中文简短回答。",
            "已索引的文档中没有关于这个问题的证据。"},
};

bool has_phrases(std::string_view language) {
    return std::any_of(kPhrases.begin(), kPhrases.end(),
                       [&](const Phrases& each) { return each.language == language; });
}

constexpr std::array<std::string_view, 3> kRussianLetters = {"ы", "э", "ё"};

bool is_cyrillic(std::string_view question) {
    bool any = false;
    text::WordCutter().cut(question, [&](const text::Word& word) {
        any |= word.script == text::Script::kCyrillic;
        return true;
    });
    return any;
}

// English questions hold words that carry no content ("who", "the"); what has none may be another
// language's, or a name.
bool looks_english(std::string_view question) {
    size_t words = 0;
    text::WordCutter().cut(question, [&](const text::Word&) {
        ++words;
        return true;
    });
    return content_words(question).size() < words;
}

}  // namespace

std::string question_language(std::string_view question) {
    // Few words of Cyrillic are taken for any of its languages. Belarusian has the first three
    // letters too, and one that Russian has not.
    const auto has = [&](std::string_view letter) {
        return question.find(letter) != std::string_view::npos;
    };
    if (std::any_of(kRussianLetters.begin(), kRussianLetters.end(), has) && !has("і")) return "ru";
    std::string sure = text::detect_language(question);
    if (has_phrases(sure)) return sure;
    const std::string guess = sure.empty() ? text::guess_language(question) : sure;
    if (!has_phrases(guess)) return is_cyrillic(question) ? "ru" : "en";
    const bool plain = std::all_of(question.begin(), question.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    return plain && looks_english(question) ? "en" : guess;
}

const Phrases& phrases_for(std::string_view question) {
    const std::string language = question_language(question);
    for (const Phrases& each : kPhrases) {
        if (each.language == language) return each;
    }
    return kPhrases.front();
}

std::string_view no_evidence_answer(std::string_view question) {
    return phrases_for(question).no_evidence;
}

}  // namespace s3attn
