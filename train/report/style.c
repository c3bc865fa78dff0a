#include "train/report/report.h"

/* A file beside this one as a string. */
#define TEXT(name, file)                                                                                     \
    __asm__(".pushsection .rodata\n.global " #name "\n" #name ":\n.incbin \"train/report/" file              \
            "\"\n.byte 0\n.popsection")

TEXT(page_colours, "colours.css");
TEXT(figure_style, "figure.css");
TEXT(page_style, "page.css");
TEXT(page_script, "page.js");
