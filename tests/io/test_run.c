#include "comm/fault.h"
#include "comm/memory.h"
#include "io/run.h"
#include "io/run_lock.h"
#include "tests/io/made.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static char path[600];

static int make_folder(void **state)
{
    made_setup(state);
    strcpy(path, made_path("a/run"));
    return 0;
}

static void write_file(const char *name, const char *text)
{
    char file[700];
    snprintf(file, sizeof file, "%s/%s", path, name);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *read_file(const char *name)
{
    static char text[4096];
    char file[700];
    snprintf(file, sizeof file, "%s/%s", path, name);
    FILE *f = fopen(file, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* A run directory that a start has written to. */
static void make_used(void)
{
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_write(run, "config.yaml", "a: b\n"), STATUS_OK);
    run_close(run);
}

static void test_run__is_made_with_its_parents_and_given_back(void **state)
{
    (void)state;
    struct run_directory *run;
    struct stat found;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_string_equal(run_path(run), path);
    assert_int_equal(stat(run_checkpoints(run), &found), 0);
    assert_non_null(read_file("lock"));
    run_close(run);
    assert_null(read_file("lock"));
}

static void test_run__a_refused_start_leaves_nothing_of_its_own(void **state)
{
    (void)state;
    struct run_directory *run;
    const char *fresh = made_path("fresh"), *log = made_path("fresh/log.txt");
    for (int kept = 0; kept < 2; kept++) {
        assert_int_equal(run_open(&run, fresh), STATUS_OK);
        FILE *file = fopen(log, "w");
        assert_non_null(file);
        fclose(file);
        if (kept)
            assert_int_equal(run_write(run, "config.yaml", "a: b\n"), STATUS_OK);
        run_close(run);
        assert_int_equal(access(fresh, F_OK), kept ? 0 : -1);
    }
    assert_int_equal(run_open(&run, fresh), STATUS_OK); /* not the first start: what is there stays */
    run_close(run);
    assert_int_equal(access(log, F_OK), 0);
}

static void test_run__second_holder_is_refused_and_told_of_the_first(void **state)
{
    (void)state;
    struct run_directory *first, *second;
    char pid[32];
    assert_int_equal(run_open(&first, path), STATUS_OK);
    assert_int_equal(run_open(&second, path), STATUS_BUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(status_message(), pid));
    struct run_holder holder;
    assert_true(run_lock_is_held(path, &holder));
    assert_int_equal(holder.pid, getpid());
    run_close(first);
    assert_false(run_lock_is_held(path, &holder));
    assert_int_equal(run_open(&second, path), STATUS_OK);
    run_close(second);
}

static void test_run__lock_of_a_dead_process_is_taken_over(void **state)
{
    (void)state;
    struct run_directory *run;
    pid_t child = fork();
    if (child == 0)
        _exit(run_open(&run, path) == STATUS_OK ? 0 : 1); /* dies holding it */
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_non_null(read_file("lock"));
    struct run_holder holder;
    assert_false(run_lock_is_held(path, &holder));
    assert_int_equal(run_open(&run, path), STATUS_OK);
    run_close(run);
}

/* Killed, and its parent has not asked for its status. */
static void test_run__lock_of_a_process_that_nobody_has_waited_for_is_taken_over(void **state)
{
    (void)state;
    struct run_directory *run;
    int pipe_ends[2], status;
    char byte;
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (run_open(&run, path) == STATUS_OK && write(pipe_ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(run_open(&run, path), STATUS_BUSY);
    siginfo_t ended;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(kill(child, 0), 0);
    assert_int_equal(run_open(&run, path), STATUS_OK);
    run_close(run);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* When it began is not known, as where /proc is not there or hides what others run (hidepid). */
static void test_run__lock_of_a_process_that_cannot_be_looked_at_holds(void **state)
{
    (void)state;
    struct run_directory *run;
    char text[512];
    make_used();
    assert_int_equal(run_open(&run, path), STATUS_OK);
    const char *own = read_file("lock"), *boot = strstr(own, "boot "), *host_end = strchr(own, '\n');
    snprintf(text, sizeof text, "%.*s\npid 1\nborn -1\n%s", (int)(host_end - own), own, boot);
    run_close(run);
    write_file("lock", text);
    assert_int_equal(run_open(&run, path), STATUS_BUSY);
    assert_non_null(strstr(status_message(), "process 1 on"));
}

static const char other_lock[] =
        "host elsewhere\npid 1\nborn 1\nboot b\nspace s\njob 77\nrestart 0\nsince then\n";

/* As after a partition: the holder's beat was found too old. It notices, and leaves the new holder's lock alone. */
static void test_run__a_holder_notices_that_its_lock_was_taken_over(void **state)
{
    (void)state;
    struct run_lock *lock;
    char command[700];
    make_used();
    assert_int_equal(run_lock_take(&lock, path), STATUS_OK);
    run_lock_beat(lock);
    assert_int_equal(run_lock_held(lock), STATUS_OK);
    write_file("lock", other_lock);
    snprintf(command, sizeof command, "touch -d '11 minutes ago' %s/lock", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(run_lock_held(lock), STATUS_OK); /* goes by the beat before */
    run_lock_beat(lock);
    assert_int_equal(run_lock_held(lock), STATUS_BUSY);
    assert_non_null(strstr(status_message(), "taken over by process 1 on elsewhere, job 77, since then"));
    struct run_holder holder;
    assert_false(run_lock_is_held(path, &holder)); /* the beat did not freshen it */
    run_lock_drop(lock);
    assert_string_equal(read_file("lock"), other_lock);
}

static void test_run__writes_nothing_more_once_it_is_lost(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_metrics_open(run, 0, 0), STATUS_OK);
    assert_int_equal(run_check_now(run), STATUS_OK);
    char lock[700];
    snprintf(lock, sizeof lock, "%s/lock", path);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(run_check(run), STATUS_OK);
    assert_int_equal(run_check_now(run), STATUS_BUSY);
    assert_non_null(strstr(status_message(), "lock is gone"));
    assert_int_equal(run_metrics_add(run, "{}"), STATUS_BUSY);
    assert_string_equal(read_file("metrics.jsonl"), "");
    run_close(run);
}

static void test_run__lock_of_another_host_holds_until_its_heartbeat_is_old(void **state)
{
    (void)state;
    struct run_directory *run;
    make_used();
    write_file("lock", other_lock);
    assert_int_equal(run_open(&run, path), STATUS_BUSY);
    assert_non_null(strstr(status_message(), "process 1 on elsewhere, job 77, since then"));
    struct run_holder holder;
    char lock[700], words[128];
    assert_true(run_lock_is_held(path, &holder));
    run_holder_words(&holder, words, sizeof words);
    assert_string_equal(words, "process 1 on elsewhere, job 77, since then");
    snprintf(lock, sizeof lock, "touch -d '11 minutes ago' %s/lock", path);
    assert_int_equal(system(lock), 0);
    assert_false(run_lock_is_held(path, &holder));
    assert_int_equal(run_open(&run, path), STATUS_OK);
    run_close(run);
}

static void test_run__requeued_job_takes_over_its_earlier_start(void **state)
{
    (void)state;
    struct run_directory *run;
    make_used();
    write_file("lock", other_lock);
    setenv("SLURM_JOB_ID", "77", 1);
    assert_int_equal(run_open(&run, path), STATUS_BUSY);
    setenv("SLURM_RESTART_COUNT", "1", 1);
    assert_int_equal(run_open(&run, path), STATUS_OK);
    run_close(run);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
}

static void test_run__file_in_the_way_is_named(void **state)
{
    (void)state;
    struct run_directory *run;
    const char *file = made_file("file", "", 0);
    assert_int_equal(run_open(&run, file), STATUS_IO);
    assert_non_null(strstr(status_message(), file));
}

static void test_run__metrics_are_cut_back_to_the_resumed_update(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    write_file("metrics.jsonl", "{\"update\":1,\"loss\":2}\n{\"update\":2,\"loss\":2}\n"
                                "{\"update\":2,\"valid_loss\":2}\n{\"update\":3,\"loss\":1}\n{\"upda");
    assert_int_equal(run_metrics_open(run, 2, 2), STATUS_OK);
    assert_int_equal(run_metrics_add(run, "{\"update\":3,\"loss\":7}"), STATUS_OK);
    run_close(run);
    assert_string_equal(read_file("metrics.jsonl"),
            "{\"update\":1,\"loss\":2}\n{\"update\":2,\"loss\":2}\n"
            "{\"update\":2,\"valid_loss\":2}\n{\"update\":3,\"loss\":7}\n");

    /* Stopped before the validation at update 2 was saved. */
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_metrics_open(run, 2, 1), STATUS_OK);
    run_close(run);
    assert_string_equal(read_file("metrics.jsonl"), "{\"update\":1,\"loss\":2}\n{\"update\":2,\"loss\":2}\n");
}

/* The bytes that a file may have from now on; SIZE_MAX: as many as at first. */
static void limit_files(size_t bytes)
{
    static struct rlimit before;
    struct rlimit limit = before;
    if (bytes != SIZE_MAX) {
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = bytes;
    }
    signal(SIGXFSZ, bytes == SIZE_MAX ? SIG_DFL : SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_run__metrics_that_do_not_fit_leave_no_half_line(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_metrics_open(run, 0, 0), STATUS_OK);
    assert_int_equal(run_metrics_add(run, "{\"update\":1}"), STATUS_OK);
    limit_files(20);
    enum status status = run_metrics_add(run, "{\"update\":2}");
    limit_files(SIZE_MAX);
    assert_int_equal(status, STATUS_IO);
    assert_int_equal(run_metrics_add(run, "{\"update\":3}"), STATUS_OK);
    run_close(run);
    assert_string_equal(read_file("metrics.jsonl"), "{\"update\":1}\n{\"update\":3}\n");
}

static void test_run__metrics_after_a_torn_line_are_kept(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    write_file("metrics.jsonl",
            "{\"update\":1}\n{\"upda{\"update\":3}\n{\"update\":4}\n{\"up{}\n{\"update\":7}\n");
    assert_int_equal(run_metrics_open(run, 5, 5), STATUS_OK);
    run_close(run);
    assert_string_equal(
            read_file("metrics.jsonl"), "{\"update\":1}\n{\"upda{\"update\":3}\n{\"update\":4}\n");
}

/* It holds while it is young, as any lock does: who wrote it cannot be asked. */
static void test_run__a_lock_may_be_anything(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\033[2J\xFF\n", "host a\npid 99999999999999999999\nborn x\n",
            "host "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct run_directory *run;
        char lock[700];
        assert_int_equal(run_open(&run, path), STATUS_OK);
        run_close(run);
        snprintf(lock, sizeof lock, "%s/lock", path);
        mkdir(path, 0777);
        write_file("lock", texts[i]);
        assert_int_equal(run_open(&run, path), STATUS_BUSY);
        assert_non_null(strstr(status_message(), "in use by an unknown process"));
        assert_null(strchr(status_message(), '\033'));
        const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        assert_int_equal(utimensat(AT_FDCWD, lock, old, 0), 0);
        assert_int_equal(run_open(&run, path), STATUS_OK);
        run_close(run);
    }
}

/* Bytes of metrics.jsonl after it held `text` and was opened at that update. */
static long metrics_left(const char *text, int64_t update)
{
    struct run_directory *run;
    struct stat found;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    write_file("metrics.jsonl", text);
    assert_int_equal(run_metrics_open(run, update, update), STATUS_OK);
    assert_int_equal(stat(run_file(run, "metrics.jsonl"), &found), 0);
    run_close(run);
    return found.st_size;
}

static void test_run__metrics_may_be_anything(void **state)
{
    (void)state;
    static char text[2 * RUN_METRICS_LINE + 64];
    static const char first[] = "{\"update\":1}\n", last[] = "\n{\"update\":2}\n";
    memset(text, '{', sizeof text); /* one long line between two good ones */
    memcpy(text, first, strlen(first));
    memcpy(text + sizeof text - sizeof last, last, sizeof last);
    assert_int_equal(metrics_left(text, 2), strlen(text));
    assert_int_equal(metrics_left(text, 1), strlen(first));
    assert_int_equal(metrics_left("\n[[[[\n\"update\"\n{\"update\":-1}\n{\"update\":1e999}\n\xFF\n", 1), 0);
}

static void test_run__metrics_are_brought_to_the_disk(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_metrics_open(run, 0, 0), STATUS_OK);
    assert_int_equal(run_metrics_sync(run), STATUS_OK);
    assert_int_equal(fault_plan("sync:1", 0), STATUS_OK);
    assert_int_equal(run_metrics_sync(run), STATUS_IO);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    run_close(run);
}

static void test_run__small_files_are_replaced_whole(void **state)
{
    (void)state;
    struct run_directory *run;
    assert_int_equal(run_open(&run, path), STATUS_OK);
    assert_int_equal(run_write(run, "config.yaml", "a: 1\n"), STATUS_OK);
    assert_int_equal(run_write(run, "config.yaml", "b: 2\n"), STATUS_OK);
    assert_string_equal(read_file("config.yaml"), "b: 2\n");
    assert_null(read_file("config.yaml.tmp"));
    static const char *const plans[] = {"open:1", "write:1", "sync:1", "rename:1"};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        assert_int_equal(fault_plan(plans[i], 0), STATUS_OK);
        assert_int_equal(run_write(run, "config.yaml", "c: 3\n"), STATUS_IO);
        fault_plan(NULL, 0);
        assert_string_equal(read_file("config.yaml"), "b: 2\n");
        assert_null(read_file("config.yaml.tmp"));
    }
    run_close(run);
}

/* No file may grow: the lock cannot be written, and nothing of it is left. */
static void test_run__a_lock_that_cannot_be_written_leaves_nothing(void **state)
{
    (void)state;
    struct run_directory *run;
    make_used();
    limit_files(0);
    enum status status = run_open(&run, path);
    limit_files(SIZE_MAX);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(status_message(), "cannot write"));
    DIR *stream = opendir(path);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        assert_null(strstr(entry->d_name, "lock"));
    closedir(stream);
}

static void test_run__memory_that_ends_is_told(void **state)
{
    (void)state;
    struct run_directory *run;
    enum status status = STATUS_INTERNAL;
    int n = 0;
    while (status != STATUS_OK && n++ < 100) {
        char plan[32];
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        status = run_open(&run, path);
        assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
        assert_true(status == STATUS_OK || (status == STATUS_INTERNAL && memory_blocks() == 0));
    }
    assert_true(n > 4);
    run_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    test_run__is_made_with_its_parents_and_given_back, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__a_refused_start_leaves_nothing_of_its_own, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__second_holder_is_refused_and_told_of_the_first, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__lock_of_a_dead_process_is_taken_over, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__lock_of_a_process_that_nobody_has_waited_for_is_taken_over, make_folder,
                    made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__lock_of_a_process_that_cannot_be_looked_at_holds, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__a_holder_notices_that_its_lock_was_taken_over, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__writes_nothing_more_once_it_is_lost, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(test_run__lock_of_another_host_holds_until_its_heartbeat_is_old,
                    make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__requeued_job_takes_over_its_earlier_start, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(test_run__file_in_the_way_is_named, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__metrics_are_cut_back_to_the_resumed_update, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__metrics_that_do_not_fit_leave_no_half_line, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__metrics_after_a_torn_line_are_kept, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(test_run__a_lock_may_be_anything, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(test_run__metrics_may_be_anything, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__metrics_are_brought_to_the_disk, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__small_files_are_replaced_whole, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(
                    test_run__a_lock_that_cannot_be_written_leaves_nothing, make_folder, made_teardown),
            cmocka_unit_test_setup_teardown(test_run__memory_that_ends_is_told, make_folder, made_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
