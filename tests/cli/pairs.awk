# Rows of settings in which every two levels of two factors occur together: each row takes, factor by factor, the level
# that makes most pairs not seen yet with those it has taken (greedy, as in Cohen et al. 1997).
#   in:  FACTOR: level | level | ...      (a level is words for the command line, or -)
#   out: one row a line
BEGIN { FS = " *[|] *" }
/^[a-z]/ {
    name = $1
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "", $1)
    factors++
    levels[factors] = NF
    for (l = 1; l <= NF; l++) words[factors, l] = $l
}
END {
    for (f = 1; f <= factors; f++)
        for (g = f + 1; g <= factors; g++) left += levels[f] * levels[g]
    while (left > 0) {
        # The first level belongs to a pair that is missing: the factor with most of those.
        start = first = 0
        most = -1
        for (f = 1; f <= factors; f++)
            for (l = 1; l <= levels[f]; l++) {
                n = missing(f, l)
                if (n > most) { most = n; start = f; first = l }
            }
        split("", row)
        row[start] = first
        for (f = 1; f <= factors; f++) {
            if (f == start) continue
            best = -1
            for (i = 1; i <= levels[f]; i++) {
                l = (rows + i) % levels[f] + 1 # levels take turns where it makes no difference
                n = gain(f, l)
                if (n > best) { best = n; row[f] = l }
            }
        }
        line = ""
        for (f = 1; f <= factors; f++) {
            for (g = f + 1; g <= factors; g++)
                if (!((f, row[f], g, row[g]) in seen)) { seen[f, row[f], g, row[g]]; left-- }
            if (words[f, row[f]] != "-") line = line " " words[f, row[f]]
        }
        print substr(line, 2)
        rows++
    }
}
function missing(f, l,    g, m, n) {
    for (g = 1; g <= factors; g++)
        for (m = 1; g != f && m <= levels[g]; m++) n += !pair(f, l, g, m)
    return n + 0
}
function gain(f, l,    g, n) {
    for (g in row) n += !pair(f, l, g + 0, row[g])
    return n + 0
}
function pair(f, l, g, m) { return f < g ? (f, l, g, m) in seen : (g, m, f, l) in seen }
