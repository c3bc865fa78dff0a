/*
 * seqtrain man: the manual page, made from the tables that also give help. The macros are those of man(7).
 */
#include "train/command.h"

#include <string.h>

struct titled {
    const char *title, *text;
};

#define STATUS_ROW(name, code, text) {#code, text},
static const struct titled statuses[] = {STATUS_LIST(STATUS_ROW)};
#undef STATUS_ROW

static const struct titled files[] = {
        {"RUN/config.yaml", "all settings as they are used"},
        {"RUN/metrics.jsonl", "losses, rates and validations, one JSON object a line"},
        {"RUN/log.txt", "what the run told"},
        {"RUN/checkpoints/*.h5", "weights and the whole state of the run, HDF5"},
        {"RUN/best.h5, RUN/best-NAME.h5", "links to the best checkpoint by validate.metric, and by others"},
        {"RUN/last.h5", "link to the newest checkpoint"},
};

static const struct titled environment[] = {
        {"OMP_NUM_THREADS", "threads of each rank, where comm.threads is auto, and of prepare"},
        {"OPENBLAS_CORETYPE", "kernels of OpenBLAS; chosen for this CPU where it is not set"},
        {"TMPDIR",
                "temporary files of prepare: standard input that is read twice, hashes of pairs; else /tmp"},
};

static const char description[] =
        "seqtrain trains sequence-to-sequence models on CPU clusters. Text becomes a corpus file; every MPI "
        "rank trains a replica on its share of each update; the result is the same for any number of ranks "
        "and threads, and a run that was stopped goes on as if it never had been. MODEL is a checkpoint or a "
        "run directory: its best checkpoint, else its last. A FILE of - is standard input or output; .gz is "
        "read as it is. A switch may be written --name value or --name=value, one that is on or off --name "
        "or --no-name.";

static const char stopping[] = "A batch script starts the same command again after 75, 71 and anything from "
                               "128 on, and after nothing else.";

/* The code point of the UTF-8 character at *text, which is moved past it. */
static unsigned next_character(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    unsigned character = *at++;
    if (character >= 0xC0) {
        character &= character >= 0xF0 ? 0x07 : character >= 0xE0 ? 0x0F : 0x1F;
        while ((*at & 0xC0) == 0x80)
            character = character << 6 | (*at++ & 0x3F);
    }
    *text = (const char *)at;
    return character;
}

/* `text` up to the end of its line, nothing in it being a request. */
static void print_line(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    while (*text && *text != '\n') {
        unsigned character = next_character(&text);
        if (character >= 0x80)
            fprintf(out, "\\[u%04X]", character);
        else if (character == '\\')
            fputs("\\e", out);
        else if (character == '-')
            fputs("\\-", out);
        else
            fputc((int)character, out);
    }
}

static void print_paragraph(FILE *out, const char *text)
{
    print_line(out, text);
    fputc('\n', out);
}

/* Lines as they are, each after `prefix`. */
static void print_lines(FILE *out, const char *prefix, const char *text)
{
    fputs(".PP\n.nf\n", out);
    while (*text) {
        fputs(prefix, out);
        print_line(out, text);
        fputc('\n', out);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    fputs(".fi\n", out);
}

static void print_titled(FILE *out, const char *section, const struct titled *rows, size_t count)
{
    fprintf(out, ".SH %s\n", section);
    for (size_t i = 0; i < count; i++) {
        fputs(".TP\n.B ", out);
        print_paragraph(out, rows[i].title);
        print_paragraph(out, rows[i].text);
    }
}

static void print_choices(FILE *out, const struct kind_table *kinds)
{
    fputs(".RS\n", out);
    for (size_t i = 0; i < kind_count(kinds); i++) {
        const struct kind *kind = kind_at(kinds, i);
        fputs(".TP\n.B ", out);
        print_paragraph(out, kind->name);
        print_line(out, kind->help);
        if (kind->source) {
            fputs(" (", out);
            print_line(out, kind->source);
            fputc(')', out);
        }
        fputc('\n', out);
    }
    fputs(".RE\n", out);
}

static void print_option(FILE *out, const struct option *option)
{
    char limits[OPTION_LIMITS_BYTES];
    const char *further = strchr(option->help, '\n');
    option_limits(option, limits);
    fprintf(out, ".TP\n\\fB\\-\\-%s", option->type == OPTION_BOOL ? "[no\\-]" : "");
    print_line(out, option->name);
    fputs("\\fR", out);
    if (option->type != OPTION_BOOL) {
        fputs(" \\fI", out);
        print_line(out, option_placeholder(option));
        fprintf(out, "\\fR%s", option->type == OPTION_LIST ? "..." : "");
    }
    fputc('\n', out);
    print_line(out, option->help);
    print_paragraph(out, limits);
    if (further) {
        fputs(".br\n", out);
        print_paragraph(out, further + 1);
    }
    if (option->type == OPTION_CHOICE)
        print_choices(out, option->kinds);
}

static bool has_group(const struct command *command, const struct option_group *group)
{
    for (size_t s = 0; s < sizeof command->schemas / sizeof command->schemas[0]; s++)
        for (size_t p = 0; command->schemas[s] && p < command->schemas[s]->count; p++)
            if (command->schemas[s]->places[p].group == group)
                return true;
    return false;
}

/* What several commands take is told at the first. */
static void print_group(FILE *out, const struct command *command, const struct option_group *group)
{
    size_t first = 0;
    while (commands[first] != command && !has_group(commands[first], group))
        first++;
    fprintf(out, ".PP\n\\fI%s\\fR: ", group->name);
    if (commands[first] != command) {
        print_line(out, group->help);
        fprintf(out, ", as for seqtrain %s\n", commands[first]->name);
        return;
    }
    print_paragraph(out, group->help);
    for (size_t i = 0; i < group->count; i++)
        print_option(out, &group->options[i]);
}

static void print_schema(FILE *out, const struct command *command, const struct schema *schema)
{
    for (size_t p = 0; schema && p < schema->count; p++)
        print_group(out, command, schema->places[p].group);
}

static void print_command(FILE *out, const struct command *command)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "\\fBseqtrain %s\\fR ", command->name);
    fprintf(out, ".SS \"seqtrain %s\"\n", command->name);
    print_paragraph(out, command->summary);
    print_lines(out, prefix, *command->usage ? command->usage : "\n");
    for (size_t s = 0; s < sizeof command->schemas / sizeof command->schemas[0]; s++)
        print_schema(out, command, command->schemas[s]);
    fputs(".PP\nExamples:\n", out);
    print_lines(out, "    ", command->examples);
}

static enum status run(int argc, char **argv)
{
    FILE *out = stdout;
    CHECK(argc == 0, STATUS_USAGE, "man: expected nothing more, found %s", argv[0]);
    fprintf(out, ".TH SEQTRAIN 1 \"\" \"seqtrain %s\" \"User Commands\"\n", SEQTRAIN_VERSION);
    fputs(".nh\n.ad l\n.SH NAME\nseqtrain \\- trains sequence-to-sequence models on CPU clusters\n", out);
    fputs(".SH SYNOPSIS\n.B seqtrain\n.I COMMAND\n.RI [ ARGUMENT ]...\n.br\n"
          ".B mpirun \\-n\n.I RANKS\n.B seqtrain\n.I COMMAND\n.RI [ ARGUMENT ]...\n",
            out);
    fputs(".SH DESCRIPTION\n", out);
    print_paragraph(out, description);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; commands[i]; i++)
        print_command(out, commands[i]);
    print_titled(out, "EXIT STATUS", statuses, sizeof statuses / sizeof *statuses);
    fputs(".PP\n", out);
    print_paragraph(out, stopping);
    print_titled(out, "ENVIRONMENT", environment, sizeof environment / sizeof *environment);
    print_titled(out, "FILES", files, sizeof files / sizeof *files);
    fputs(".SH SEE ALSO\n.BR mpirun (1),\n.BR srun (1),\n.BR h5dump (1)\n", out);
    return STATUS_OK;
}

const struct command man_command = {
        .name = "man",
        .summary = "prints the manual page, for man(1)",
        .usage = "",
        .examples = "seqtrain man | man -l -",
        .ranks = false,
        .run = run,
};
