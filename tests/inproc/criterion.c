/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Linked instead of Criterion: the tests of a program one after the other in one process, for valgrind.
 * Criterion starts a process for each, which under valgrind takes most of a second before it does
 * anything. What a test finds counts here, too; it prints TAP.
 */
#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Criterion's Test() and TestSuite() leave a pointer in these sections. */
extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;
static struct criterion_test *current;
static jmp_buf out;
static enum { PASSED, FAILED, SKIPPED } verdict;

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *t)
{
	static const struct criterion_test_extra_data none;

	for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
		if (!strcmp((*s)->name, t->category))
			return (*s)->data;
	return &none;
}

void criterion_internal_test_setup(void)
{
	if (suite_of(current)->init)
		suite_of(current)->init();
	if (current->data->init)
		current->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
	fn();
}

void criterion_internal_test_teardown(void)
{
	if (current->data->fini)
		current->data->fini();
	if (suite_of(current)->fini)
		suite_of(current)->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
	if (stats->passed)
		return;
	verdict = FAILED;
	printf("# %s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void)
{
	longjmp(out, 1);
}

void criterion_skip_test(const char *format, ...)
{
	(void)format;
	verdict = SKIPPED;
	longjmp(out, 1);
}

void criterion_continue_test(void)
{
}

void cri_asserts_passed_incr(void)
{
}

void cr_log(enum criterion_severity severity, const char *msg, ...)
{
	(void)severity;
	(void)msg;
}

char *cr_translate_assert_msg(int msg_index, ...)
{
	const char *expression;
	va_list ap;
	char *ret;

	(void)msg_index;
	va_start(ap, msg_index);
	expression = va_arg(ap, const char *);
	va_end(ap);
	ret = strdup(expression);
	if (!ret)
		abort();
	return ret;
}

int cr_asprintf(char **strp, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(strp, fmt, ap);
	va_end(ap);
	return ret;
}

void cr_asprintf_free(char *buf)
{
	free(buf);
}

int main(void)
{
	size_t n = (size_t)(__stop_cr_tst - __start_cr_tst);
	volatile size_t failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, should one of them end the process */
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		current = __start_cr_tst[i];
		verdict = current->data->disabled ? SKIPPED : PASSED;
		if (verdict == PASSED && !setjmp(out))
			current->test();
		failed += verdict == FAILED;
		printf("%s - %s::%s%s\n", verdict == FAILED ? "not ok" : "ok", current->category,
		       current->name, verdict == SKIPPED ? " # SKIP" : "");
	}
	return failed != 0;
}
