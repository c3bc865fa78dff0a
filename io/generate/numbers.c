/*
 * Numbers, dates, times of day and amounts of money in English and German words.
 *
 * English is the source. Words come from rules, so that what a model is asked in the test can be derived from what it
 * saw, but was never seen: a number above 100 that is held out is in no training sentence as a number or as euros; a
 * date, a time or a smaller amount that is held out is in none at all.
 */
#include "io/generate/rules.h"

static const char *const english_months[12] = {"January", "February", "March", "April", "May", "June", "July",
        "August", "September", "October", "November", "December"};
static const char *const german_months[12] = {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli",
        "August", "September", "Oktober", "November", "Dezember"};
static const char *const english_day_parts[3] = {"", " in the morning", " in the evening"};
static const char *const german_day_parts[3] = {"", " morgens", " abends"};

/* Numbers up to here are in the training text whatever their hash: they are the words of all others. */
enum { ALWAYS_TRAIN = 100 };

static void say_number(const int *parts, enum side language, enum form form, struct phrase *out)
{
    (void)form;
    if (language == SOURCE)
        words_english(out, parts[0]);
    else
        words_german(out, parts[0]);
}

static void say_date(const int *parts, enum side language, enum form form, struct phrase *out)
{
    static const char *const endings[] = {[FORM_BARE] = "er", [FORM_ARTICLE] = "e", [FORM_DATIVE] = "en"};
    if (language == SOURCE) {
        phrase_add(out, "the ");
        words_english_ordinal(out, parts[2]);
        phrase_add(out, " of %s ", english_months[parts[1] - 1]);
        words_english_year(out, parts[0]);
    } else {
        words_german_ordinal(out, parts[2], endings[form]);
        phrase_add(out, " %s ", german_months[parts[1] - 1]);
        words_german_year(out, parts[0]);
    }
}

/* Minutes before or after the hour: "quarter", or a count. */
static void say_minutes(int minutes, enum side language, struct phrase *out)
{
    if (minutes == 15)
        phrase_add(out, language == SOURCE ? "quarter" : "Viertel");
    else if (minutes == 1)
        phrase_add(out, language == SOURCE ? "one minute" : "eine Minute");
    else if (language == SOURCE)
        words_english(out, minutes);
    else
        words_german(out, minutes);
}

static void say_time(const int *parts, enum side language, enum form form, struct phrase *out)
{
    (void)form;
    bool english = language == SOURCE;
    int hour = parts[0], minute = parts[1], next = hour % 12 + 1;
    if (minute == 0) {
        (english ? words_english : words_german_before_noun)(out, hour);
        phrase_add(out, english ? " o'clock" : " Uhr");
    } else if (minute == 30) {
        phrase_add(out, english ? "half past " : "halb ");
        (english ? words_english : words_german)(out, english ? hour : next);
    } else {
        bool after = minute < 30;
        say_minutes(after ? minute : 60 - minute, language, out);
        phrase_add(out, "%s", english ? (after ? " past " : " to ") : (after ? " nach " : " vor "));
        (english ? words_english : words_german)(out, after ? hour : next);
    }
    phrase_add(out, "%s", (english ? english_day_parts : german_day_parts)[parts[2]]);
}

/* three euros and twenty cents: drei Euro zwanzig; below ten cents: drei Euro und fünf Cent. */
static void say_amount(const int *parts, enum side language, enum form form, struct phrase *out)
{
    (void)form;
    int euros = parts[0], cents = parts[1];
    if (language == SOURCE) {
        words_english(out, euros);
        phrase_add(out, euros == 1 ? " euro" : " euros");
        if (cents == 0)
            return;
        phrase_add(out, " and ");
        words_english(out, cents);
        phrase_add(out, cents == 1 ? " cent" : " cents");
        return;
    }
    words_german_before_noun(out, euros);
    phrase_add(out, " Euro");
    if (cents == 0)
        return;
    phrase_add(out, cents < 10 ? " und " : " ");
    words_german_before_noun(out, cents);
    phrase_add(out, cents < 10 ? " Cent" : "");
}

static int draw(const struct random_stream *draws, uint64_t *index, int count)
{
    return (int)random_below(draws, (*index)++, (uint64_t)count);
}

static void draw_number(const struct random_stream *draws, uint64_t *index, int *parts)
{
    static const int limits[3] = {100, 1000, 10000};
    parts[0] = draw(draws, index, limits[draw(draws, index, 3)]);
}

static void draw_date(const struct random_stream *draws, uint64_t *index, int *parts)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    parts[0] = 1900 + draw(draws, index, 100);
    parts[1] = 1 + draw(draws, index, 12);
    bool leap = parts[0] % 4 == 0 && parts[0] != 1900;
    parts[2] = 1 + draw(draws, index, days[parts[1] - 1] + (parts[1] == 2 && leap));
}

static void draw_time(const struct random_stream *draws, uint64_t *index, int *parts)
{
    parts[0] = 1 + draw(draws, index, 12);
    parts[1] = draw(draws, index, 60);
    parts[2] = draw(draws, index, 3);
}

/* From two on: one euro and one cent would need the accusative after a verb ("es kostet einen Euro"). */
static void draw_amount(const struct random_stream *draws, uint64_t *index, int *parts)
{
    static const int limits[3] = {20, 100, 998};
    parts[0] = 2 + draw(draws, index, limits[draw(draws, index, 3)]);
    parts[1] = draw(draws, index, 4) == 0 ? 0 : 2 + draw(draws, index, 98);
}

/* What stands around a value, in both languages. */
struct carrier {
    const char *before[SIDES], *after[SIDES];
    enum form form;
};

enum { CARRIERS = 5 };

static const struct value_rule {
    void (*draw)(const struct random_stream *draws, uint64_t *index, int *parts);
    void (*say)(const int *parts, enum side language, enum form form, struct phrase *out);
    struct carrier carriers[CARRIERS];
} rules[VALUE_KINDS] = {
        [VALUE_NUMBER] = {draw_number, say_number,
                {{{"", ""}, {"", ""}, FORM_BARE}, {{"the number ", "die Zahl "}, {"", ""}, FORM_BARE},
                        {{"page ", "Seite "}, {"", ""}, FORM_BARE},
                        {{"room ", "Zimmer "}, {"", ""}, FORM_BARE},
                        {{"I live at number ", "ich wohne in Nummer "}, {"", ""}, FORM_BARE}}},
        [VALUE_DATE] = {draw_date, say_date,
                {{{"", ""}, {"", ""}, FORM_BARE}, {{"today is ", "heute ist der "}, {"", ""}, FORM_ARTICLE},
                        {{"on ", "am "}, {"", ""}, FORM_DATIVE},
                        {{"we met on ", "wir trafen uns am "}, {"", ""}, FORM_DATIVE},
                        {{"the letter of ", "der Brief vom "}, {"", ""}, FORM_DATIVE}}},
        [VALUE_TIME] = {draw_time, say_time,
                {{{"", ""}, {"", ""}, FORM_BARE}, {{"it is ", "es ist "}, {"", ""}, FORM_BARE},
                        {{"at ", "um "}, {"", ""}, FORM_BARE},
                        {{"the train leaves at ", "der Zug fährt um "}, {"", " ab"}, FORM_BARE},
                        {{"I will come at ", "ich komme um "}, {"", ""}, FORM_BARE}}},
        [VALUE_AMOUNT] = {draw_amount, say_amount,
                {{{"", ""}, {"", ""}, FORM_BARE}, {{"it costs ", "es kostet "}, {"", ""}, FORM_BARE},
                        {{"that makes ", "das macht "}, {"", ""}, FORM_BARE},
                        {{"I paid ", "ich habe "}, {"", " bezahlt"}, FORM_BARE},
                        {{"he owes me ", "er schuldet mir "}, {"", ""}, FORM_BARE}}},
};

void value_say(const struct value *value, enum side language, enum form form, struct phrase *out)
{
    rules[value->kind].say(value->parts, language, form, out);
}

static enum split split_of(uint64_t seed, const struct value *value)
{
    const int *parts = value->parts;
    bool counted = value->kind == VALUE_NUMBER || value->kind == VALUE_AMOUNT;
    if (counted && parts[0] > ALWAYS_TRAIN)
        return generate_split(seed, VALUE_NUMBER, (uint64_t)parts[0]);
    if (value->kind == VALUE_NUMBER)
        return SPLIT_TRAIN;
    return generate_split(
            seed, value->kind, ((uint64_t)parts[0] * 100 + (uint64_t)parts[1]) * 100 + (uint64_t)parts[2]);
}

enum status numbers_say(const struct generator *generator, const struct line *line, struct phrase out[SIDES])
{
    (void)generator;
    const struct random_stream *draws = &line->draws;
    uint64_t index = 0;
    struct value value = {.kind = (enum value_kind)draw(draws, &index, VALUE_KINDS)};
    const struct value_rule *rule = &rules[value.kind];
    do {
        rule->draw(draws, &index, value.parts);
    } while (split_of(line->seed, &value) != line->split);
    const struct carrier *carrier = &rule->carriers[draw(draws, &index, CARRIERS)];
    for (int side = 0; side < SIDES; side++) {
        out[side].bytes = 0;
        phrase_add(&out[side], "%s", carrier->before[side]);
        value_say(&value, (enum side)side, carrier->form, &out[side]);
        phrase_add(&out[side], "%s", carrier->after[side]);
    }
    return STATUS_OK;
}
