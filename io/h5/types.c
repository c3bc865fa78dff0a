#include "io/h5/internal.h"

#include "comm/memory.h"

static const struct {
    const char *name;
    size_t bytes; /* 0: as many as the text has */
} types[] = {
        [H5_FLOAT32] = {"float32", 4},
        [H5_FLOAT64] = {"float64", 8},
        [H5_INT32] = {"int32", 4},
        [H5_INT64] = {"int64", 8},
        [H5_BYTE] = {"byte", 1},
        [H5_TEXT] = {"text", 0},
};

enum { TYPES = sizeof types / sizeof types[0] };

const char *h5_type_name(enum h5_type type)
{
    return types[type].name;
}

size_t h5_type_bytes(enum h5_type type, size_t text_bytes)
{
    return type == H5_TEXT ? text_bytes : types[type].bytes;
}

static hid_t number_type(enum h5_type type)
{
    switch (type) {
    case H5_FLOAT32:
        return H5T_IEEE_F32LE;
    case H5_FLOAT64:
        return H5T_IEEE_F64LE;
    case H5_INT32:
        return H5T_STD_I32LE;
    case H5_INT64:
        return H5T_STD_I64LE;
    case H5_BYTE:
        return H5T_STD_U8LE;
    case H5_TEXT:
        break;
    }
    return H5T_C_S1;
}

hid_t h5_type_make(enum h5_type type, size_t text_bytes)
{
    hid_t id = H5Tcopy(number_type(type));
    if (type == H5_TEXT) {
        H5Tset_size(id, text_bytes);
        H5Tset_strpad(id, H5T_STR_NULLPAD);
        H5Tset_cset(id, H5T_CSET_UTF8);
    }
    return id;
}

bool h5_type_know(hid_t id, enum h5_type *type, size_t *text_bytes)
{
    *text_bytes = 0;
    if (H5Tget_class(id) == H5T_STRING) {
        *type = H5_TEXT;
        *text_bytes = H5Tget_size(id);
        return H5Tis_variable_str(id) == 0 && *text_bytes > 0;
    }
    for (int i = 0; i < TYPES; i++)
        if (i != H5_TEXT && H5Tequal(id, number_type((enum h5_type)i)) > 0) {
            *type = (enum h5_type)i;
            return true;
        }
    return false;
}

size_t h5_row_bytes(const struct h5_array *array)
{
    size_t bytes = h5_type_bytes(array->type, array->text_bytes);
    for (int i = 1; i < array->rank; i++)
        bytes *= array->shape[i];
    return bytes;
}

static size_t rows(const struct h5_array *array)
{
    return array->rank == 0 ? 1 : array->shape[0];
}

size_t h5_chunk_bytes(const struct h5_array *array)
{
    return (array->chunk_rows ? array->chunk_rows : rows(array)) * h5_row_bytes(array);
}

size_t h5_chunk_count(const struct h5_array *array)
{
    return array->chunk_rows ? (rows(array) + array->chunk_rows - 1) / array->chunk_rows : 1;
}
