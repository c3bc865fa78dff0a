/*
 * Small steps that survive a power loss: a name changes hands by rename(2), and the folder is brought to the disk.
 */
#ifndef IO_DURABLE_H
#define IO_DURABLE_H

#include "comm/status.h"

#include <limits.h>
#include <stddef.h>

/* FOLDER/NAME. */
enum status path_join(char out[PATH_MAX], const char *folder, const char *name);

/* Brings the folder that holds `path` to the disk. */
enum status durable_sync_folder(const char *path);

/* STATUS_IO if something has that name that a file must not replace: a folder, a device, a pipe. */
enum status durable_check(const char *path);

/* Gives `from` the name `to` in the same folder, replacing what was there, then syncs the folder. */
enum status durable_rename(const char *from, const char *to);

/* Writes all of it to an open file, however much write(2) takes at once; `path` names it in messages. */
enum status durable_put(int descriptor, const char *path, const void *data, size_t bytes);

/* A small file, whole or not at all: PATH.tmp, fsync, rename. */
enum status durable_write(const char *path, const void *data, size_t bytes);

/* The symbolic link `path` to `target`, whole or not at all. */
enum status durable_link(const char *target, const char *path);

#endif
