"""Random numbers: Philox4x32-10, keyed as comm/random.h says."""

WORD, LONG = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
SAMPLE, INPUT = 5, 10  # enum random_purpose


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & LONG
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & LONG
    return x ^ (x >> 31)


def uniform(purpose, seed, update, slot, site, index):
    key = mix((mix(seed) + purpose) & LONG)
    k0, k1 = key & WORD, key >> 32
    c = [index & WORD, index >> 32, update, slot << 20 | site]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & WORD, (p0 >> 32) ^ c[3] ^ k1, p0 & WORD]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return ((c[1] << 32 | c[0]) >> 11) * 2.0**-53
