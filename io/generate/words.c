#include "io/generate/rules.h"

static const char *const english_small[20] = {"zero", "one", "two", "three", "four", "five", "six", "seven",
        "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
        "eighteen", "nineteen"};
static const char *const english_tens[10] = {
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
static const char *const english_ordinals[20] = {"", "first", "second", "third", "fourth", "fifth", "sixth",
        "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
        "sixteenth", "seventeenth", "eighteenth", "nineteenth"};

/* 1 stands inside a compound: einundzwanzig, einhundert. */
static const char *const german_small[20] = {"null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben",
        "acht", "neun", "zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn",
        "achtzehn", "neunzehn"};
static const char *const german_tens[10] = {
        "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"};

static void english_below_hundred(struct phrase *out, int number)
{
    if (number < 20)
        phrase_add(out, "%s", english_small[number]);
    else if (number % 10 == 0)
        phrase_add(out, "%s", english_tens[number / 10]);
    else
        phrase_add(out, "%s-%s", english_tens[number / 10], english_small[number % 10]);
}

void words_english(struct phrase *out, int number)
{
    ASSERT(number >= 0 && number <= 9999);
    int thousands = number / 1000, hundreds = number / 100 % 10, rest = number % 100;
    if (thousands > 0)
        phrase_add(out, "%s thousand", english_small[thousands]);
    if (hundreds > 0)
        phrase_add(out, "%s%s hundred", thousands ? " " : "", english_small[hundreds]);
    if (rest == 0 && number > 0)
        return;
    phrase_add(out, "%s", number >= 100 ? " and " : "");
    english_below_hundred(out, rest);
}

void words_english_ordinal(struct phrase *out, int number)
{
    ASSERT(number >= 1 && number <= 31);
    if (number < 20)
        phrase_add(out, "%s", english_ordinals[number]);
    else if (number % 10 == 0)
        phrase_add(out, "%s", number == 20 ? "twentieth" : "thirtieth");
    else
        phrase_add(out, "%s-%s", english_tens[number / 10], english_ordinals[number % 10]);
}

void words_english_year(struct phrase *out, int year)
{
    ASSERT(year >= 1100 && year <= 1999);
    int rest = year % 100;
    phrase_add(out, "%s ", english_small[year / 100]);
    if (rest == 0) {
        phrase_add(out, "hundred");
        return;
    }
    phrase_add(out, "%s", rest < 10 ? "oh " : "");
    english_below_hundred(out, rest);
}

/* one: "eins" or "ein", when the last two digits are 01. */
static void german_below_hundred(struct phrase *out, int number, const char *one)
{
    if (number == 1)
        phrase_add(out, "%s", one);
    else if (number < 20)
        phrase_add(out, "%s", german_small[number]);
    else if (number % 10 == 0)
        phrase_add(out, "%s", german_tens[number / 10]);
    else
        phrase_add(out, "%sund%s", german_small[number % 10], german_tens[number / 10]);
}

static void german(struct phrase *out, int number, const char *one)
{
    ASSERT(number >= 0 && number <= 9999);
    int thousands = number / 1000, hundreds = number / 100 % 10, rest = number % 100;
    if (thousands > 0)
        phrase_add(out, "%stausend", german_small[thousands]);
    if (hundreds > 0)
        phrase_add(out, "%shundert", german_small[hundreds]);
    if (rest > 0 || number == 0)
        german_below_hundred(out, rest, one);
}

void words_german(struct phrase *out, int number)
{
    german(out, number, "eins");
}

void words_german_before_noun(struct phrase *out, int number)
{
    german(out, number, "ein");
}

void words_german_ordinal(struct phrase *out, int number, const char *e)
{
    ASSERT(number >= 1 && number <= 31);
    switch (number) {
    case 1:
        phrase_add(out, "erst%s", e);
        break;
    case 3:
        phrase_add(out, "dritt%s", e);
        break;
    case 7:
        phrase_add(out, "siebt%s", e);
        break;
    case 8:
        phrase_add(out, "acht%s", e);
        break;
    default:
        german_below_hundred(out, number, "ein");
        phrase_add(out, "%s%s", number < 20 ? "t" : "st", e);
    }
}

void words_german_year(struct phrase *out, int year)
{
    ASSERT(year >= 1100 && year <= 1999);
    phrase_add(out, "%shundert", german_small[year / 100]);
    if (year % 100 > 0)
        german_below_hundred(out, year % 100, "eins");
}
