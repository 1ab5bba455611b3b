// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in the outer virtual machine: starts QEMUs, whose inner machines have
 * edu devices by vfio-pci, and live-migrates the inner machines between the QEMUs.
 * tools/check/vmm.sh calls it with guest-run; the devices are bound to edu_vfio_pci.
 *
 * Usage: vmm-migrate MODE CASE...
 *
 * MODE is the IOMMU of the outer machine; test names begin with it. A case consists of
 * words that are separated by colons:
 *
 *   10 | 11 | patched  the QEMU in /q10, /q11 or /qpatched; the last one has our patches,
 *                      which use a tracker for each IOAS
 *   iommufd | legacy   its backend: /dev/iommu, or the container /dev/vfio/vfio
 *   device | iommu     the source of dirty bits: DMA logging, or the IO page tables
 *   two                two devices instead of one
 *   mixed              the same, and only the second one may log its DMA
 *   hwpt | tracker     patched: dirty-tracking=hwpt, without trackers, or =tracker, which
 *                      also replaces DMA logging
 *   rate               patched: calc-dirty-rate counts what the devices write, before the
 *                      migration and during it
 *   hotplug            during the migration, QEMU refuses another device
 *   slow               devices with slow transfers
 *   cancel             the first migration is cancelled
 *   back               the inner machine migrates back, to a third QEMU
 *   observed           iommu-dirty observes the source: twice from before the migration,
 *                      once while it runs; one observer is killed meanwhile. Then the
 *                      destination is observed
 *   signals            before the migration, each command of iommu-dirty that observes the
 *                      source is ended by each signal
 *   static | remap     an IOMMU in the inner machine: everything stays mapped, or each
 *                      transfer is mapped separately
 *   all                everything is dirty, because nothing tracks
 *   untracked          nothing tracks, and QEMU treats no page as dirty (Q1)
 *   unflushed          the kernel skips the IOTLB flush (CONFIG_IOMMUFD_DIRTY_BREAK)
 *
 * A case passes if all of these hold: All migrations complete. The inner software finds
 * no bad page in the source or in the destination, there in at least one whole pass.
 * QEMU used the path that the case names, according to its trace. Some pages were
 * reported as dirty to QEMU, but not every page. A patched QEMU with trackers reads each
 * exactly once for each sync of dirty pages.
 *
 * With untracked and unflushed there must be bad pages in the destination and none in
 * the source. unflushed applies to trackers, which serve the container, and not to the
 * ioctls of a HWPT. With remap there are bad pages because of bugs of unmodified QEMU:
 * this is reported as an expected failure, and no bad pages as a failure. With the patched
 * QEMU, no page may be bad.
 *
 * The bugs, in QEMU 10.0.2 and 11.1.3:
 *   Q1  if it is forced to migrate without tracking, it treats no page as dirty, instead
 *       of all
 *   Q2  vtd_page_walk_level() takes the memory address from an entry that the guest has
 *       already cleared, so the dirty bits of unmapped pages are those of address 0
 *   Q3  a dirty sync replays mappings that the guest has not announced yet, and treats
 *       the later announcement as known: if the mapping was unmapped in between, it is
 *       never mapped again
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define BAD_PAGES	5	/* exit code of a case without other errors */

#define BREAK		"/sys/module/iommufd/parameters/dirty_break"
#define BREAK_FLUSH	"8"	/* drivers/iommu/iommufd/dirty/tests/break.h */

/* Minimum of pre-copy rounds before the switchover, and of passes over all pages */
#define ROUNDS		4
#define PASSES		3

#ifdef __aarch64__
#define QEMU		"qemu-system-aarch64"
#define MACHINE		"virt,highmem=off -cpu cortex-a57"
#else
#define QEMU		"qemu-system-x86_64"
#define MACHINE		"q35"
#endif

struct test {
	const char *name;
	char qemu[16];
	bool patched;
	bool iommufd, device;
	bool two, slow, cancel, back, observed, signals, viommu, remap, all, untracked, unflushed;
	bool mixed, hwpt, tracker, rate, hotplug;
};

/*
 * PCI addresses of all edu devices, in order: two of a source, two of a destination, then
 * a slow one of each
 */
#define SOURCE		0
#define DESTINATION	2
#define SLOW_SOURCE	4
#define SLOW_DESTINATION 5
#define NR_DEVICES	6

static char devices[NR_DEVICES][16];

static unsigned int nr_devices(const struct test *test)
{
	return test->two || test->mixed ? 2 : 1;
}

static bool may_log(const struct test *test, unsigned int device)
{
	return test->device || (test->mixed && device == 1);
}

/* Whether QEMU uses a tracker. That it logs by devices takes precedence, if all do */
static bool has_tracker(const struct test *test)
{
	return test->patched && test->iommufd && !test->hwpt && (!test->device || test->tracker);
}

static void arg_devices(struct argv *argv, const struct test *test, unsigned int first)
{
	/* else QEMU refuses to migrate: in a container, it expects devices to log DMA */
	bool force = test->untracked || test->all || (!test->iommufd && !test->device);
	unsigned int i;

	if (test->iommufd)
		arg(argv, "-object iommufd,id=iommufd0%s",
		    test->hwpt ? ",dirty-tracking=hwpt" :
		    test->tracker ? ",dirty-tracking=tracker" : "");
	for (i = 0; i < nr_devices(test); i++)
		arg(argv, "-device vfio-pci,host=%s,addr=%x%s%s%s", devices[first + i], 0x10 + i,
		    test->iommufd ? ",iommufd=iommufd0" : "",
		    may_log(test, i) ? "" : ",x-device-dirty-page-tracking=off",
		    force ? ",enable-migration=on" : "");
}

/* Starts a QEMU with the devices from @first on */
static struct vm *start(const struct test *test, const char *name, unsigned int first,
			bool incoming)
{
	struct argv argv = {};
	unsigned int i;

	arg(&argv, "/q%s/ld.so --library-path /q%s/lib /q%s/bin/" QEMU " -L /q%s/share",
	    test->qemu, test->qemu, test->qemu, test->qemu);
	arg(&argv, "-nodefaults -no-user-config -display none -M " MACHINE);
	arg(&argv, "-accel tcg,tb-size=32 -m 64M -kernel /bin/inner");
	/* Some host formats have 47 bits of IOVA, and this device offers 39 or 48 */
	if (test->viommu)
		arg(&argv, "-device intel-iommu,caching-mode=on,aw-bits=39");
	if (test->remap)
		arg(&argv, "-append remap");
	arg_devices(&argv, test, first);
	for (i = 0; i < ARRAY_SIZE(way_events); i++)
		arg(&argv, "-trace %s", way_events[i]);
	return vm_start(name, &argv, incoming);
}

static bool is_described(const struct vm *vm)
{
	return vm->described;
}

static void check_inner(const struct test *test, struct vm *vm)
{
	vm_wait(vm, "inner machine", is_described);
	if (vm->devices != nr_devices(test) || vm->viommu != test->viommu ||
	    vm->remap != test->remap)
		fail("the inner machine has %u devices, %u IOMMU, remap %u", vm->devices,
		     vm->viommu, vm->remap);
}

/* Observers of the source: the third comes during the migration, when the second is killed */
static struct observer observers[3];

static void observe(const struct vm *from)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		observer_start(&observers[i], from);
		observer_wait_dirty(&observers[i]);
	}
}

static void observe_precopy(const struct test *test, const struct vm *from)
{
	observer_start(&observers[2], from);
	observer_kill(&observers[1]);
	observer_wait_dirty(&observers[2]);
	observer_wait_dirty(&observers[0]);
	/* Also of a device that logs for QEMU */
	if (test->device)
		observer_advise(from);
}

/* The source still exists, then goes; the destination runs */
static void observe_end(struct vm *from, const struct vm *to)
{
	observer_kill(&observers[2]);
	vm_quit(from);
	observer_wait_end(&observers[0]);
	observer_start(&observers[0], to);
	observer_wait_dirty(&observers[0]);
	observer_kill(&observers[0]);
	observers_none(to);
}

/*
 * The devices rewrite 1 MiB all the time, and QEMU rounds MiB/s down: do not wait long. On a
 * busy machine they write less than that in some of the periods.
 */
#define RATE_CALL	"{'execute': 'calc-dirty-rate', 'arguments': {'calc-time': 200, 'calc-time-unit': 'millisecond'}}"
#define RATE_PERIODS	20

static unsigned long measured_rate(struct vm *vm)
{
	vm_command(vm, RATE_CALL);
	do {
		vm_wait_passes(vm, 1);
		vm_command(vm, "{'execute': 'query-dirty-rate'}");
	} while (!strstr(vm->answer, "\"measured\""));
	return vm_answer(vm, "device-dirty-rate");
}

static void check_rate(struct vm *vm)
{
	unsigned long rate = 0;
	unsigned int i;

	for (i = 0; i < RATE_PERIODS && !rate; i++)
		rate = measured_rate(vm);
	printf("# %s: devices dirty %lu MiB/s, period %u\n", vm->name, rate, i);
	if (!rate)
		fail("%s: calc-dirty-rate does not count what devices write", vm->name);
}

#define ADD_CALL	"{'execute': 'device_add', 'arguments': {'driver': 'vfio-pci', 'host': '%s', 'iommufd': 'iommufd0'}}"

static void migrate(const struct test *test, struct vm *from, struct vm *to)
{
	vm_precopy(from, ROUNDS, PASSES);
	if (test->rate)
		check_rate(from);
	if (test->observed)
		observe_precopy(test, from);
	if (test->hotplug)
		vm_refused(from, "not allowed while migrating", ADD_CALL, devices[SOURCE + 1]);
	vm_complete(from);
	/* the first line may belong to a pass that began in the source */
	vm_wait_passes(to, 2);
	vm_query(from);
	printf("# %s to %s: QEMU %d, %lu syncs, %lu pages of %lu bytes sent, %lu ms down\n",
	       from->name, to->name, from->version, vm_answer(from, "dirty-sync-count"),
	       vm_answer(from, "normal"), vm_answer(from, "normal-bytes"),
	       vm_answer(from, "downtime"));
	printf("# %s: %u passes, %u bad pages; %s: %u passes, %u bad pages\n",
	       from->name, from->passes, from->bad, to->name, to->passes, to->bad);
}

/*
 * Compares the ioctls of trackers with QEMU's statistics. Behind a vIOMMU, each device has
 * an IOAS of its own
 */
static void check_tracker(const struct test *test, const struct vm *vm, const struct way *way)
{
	unsigned long syncs = vm_answer(vm, "dirty-sync-count");
	unsigned long queries = vm_answer(vm, "dirty-queries");
	unsigned int trackers = test->viommu ? nr_devices(test) : 1;

	if (way->tracker_read != syncs * trackers)
		fail("%s: %lu reads of %u trackers for %lu syncs", vm->name, way->tracker_read,
		     trackers, syncs);
	if (way->tracker_read + way->tracker_unmap != queries)
		fail("%s: %lu queries according to QEMU", vm->name, queries);
	if (!vm_answer(vm, "dirty-pages"))
		fail("%s: no page was dirty, according to QEMU", vm->name);
}

/*
 * What a migration of a QEMU has cost. A query of a container or a device log is one ioctl;
 * the ioctls of a cancelled migration are included
 */
static void print_numbers(const struct test *test, const struct vm *vm, const struct way *way)
{
	unsigned long syncs = vm_answer(vm, "dirty-sync-count");
	unsigned long ioctls = way->hwpt_get + way->tracker_read + way->tracker_unmap;

	if (!ioctls)
		ioctls = way->queries;
	printf("# %s needed %lu ioctls for %lu syncs, %lu bytes, %lu ms down\n", test->name,
	       ioctls, syncs, vm_answer(vm, "normal-bytes"), vm_answer(vm, "downtime"));
}

/* Checks how the source got its dirty bits, by the test's name, and which it got */
static void check_way(const struct test *test, const struct vm *vm)
{
	bool tracker = has_tracker(test);
	bool device = test->device && !tracker;
	/* If nothing tracks, the patched QEMU does not query what is dirty all the same */
	bool queried = !test->untracked && !(test->hwpt && test->all);
	bool hwpt = test->iommufd && !device && !tracker && queried;
	unsigned int number = nr_devices(test);
	struct way way = way_of(vm);

	print_numbers(test, vm, &way);
	if (way.cdev != (test->iommufd ? number : 0) || way.group != (test->iommufd ? 0 : number))
		fail("%s: not all devices use %s", vm->name,
		     test->iommufd ? "an iommufd" : "a container");
	if (!way.hwpt_set != !hwpt || !way.hwpt_get != !hwpt)
		fail("%s: the ioctls of a HWPT were %s", vm->name, hwpt ? "not used" : "used");
	if (!way.device_start != !device)
		fail("%s: DMA logging was %s", vm->name, device ? "not used" : "used");
	if (!way.tracker_start != !tracker || !way.tracker_read != !tracker)
		fail("%s: a tracker was %s", vm->name, tracker ? "not used" : "used");
	if (tracker && !way.tracker_degraded != !test->all)
		fail("%s: the tracker was %s", vm->name, test->all ? "not degraded" : "degraded");
	/* QEMU's numbers are those of the last migration, the trace has all of them */
	if (tracker && !test->cancel)
		check_tracker(test, vm, &way);
	if (tracker && test->remap && !way.tracker_unmap)
		fail("%s: nothing was unmapped with the tracker", vm->name);
	if (!way.queries != !queried)
		fail("%s: dirty pages were %s", vm->name, queried ? "not queried" : "queried");
	/* With a vIOMMU, unmodified QEMU gets the addresses of unmapped pages wrong */
	if (!queried || test->unflushed || test->remap)
		return;
	if (!way.dirty)
		fail("%s: no page was dirty", vm->name);
	if (test->all ? !way.full : way.full || way.dirty >= way.pages)
		fail("%s: %s was dirty", vm->name, test->all ? "not everything" : "everything");
}

static bool set_break(const char *value)
{
	int fd = open(BREAK, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Runs a test, in a child process */
static void run(const struct test *test)
{
	unsigned int first = test->slow ? SLOW_SOURCE : SOURCE;
	unsigned int second = test->slow ? SLOW_DESTINATION : DESTINATION;
	struct vm *from, *to, *last;

	from = start(test, "source", first, false);
	check_inner(test, from);
	vm_wait_passes(from, 2);
	if (test->rate)
		check_rate(from);
	if (test->signals)
		observers_signal(from);
	if (test->observed)
		observe(from);
	if (test->cancel) {
		to = start(test, "cancelled", second, true);
		vm_precopy(from, ROUNDS, PASSES);
		vm_cancel(from);
		vm_quit(to);
		vm_wait_passes(from, 2);
	}
	to = start(test, "destination", second, true);
	if (test->unflushed && !set_break(BREAK_FLUSH))
		fail("%s: %s", BREAK, strerror(errno));
	migrate(test, from, to);
	check_way(test, from);
	if (test->observed)
		observe_end(from, to);
	/* In these tests only the migration may lose pages */
	if ((test->untracked || test->unflushed) && from->bad)
		fail("%s: bad pages without a migration", from->name);
	last = to;
	if (test->back) {
		vm_quit(from);
		last = start(test, "back", first, true);
		migrate(test, to, last);
		check_way(test, to);
	}
	vm_quit_all();
	exit(from->bad || to->bad || last->bad ? BAD_PAGES : 0);
}

static bool parse_word(struct test *test, const char *word, size_t len)
{
	const struct {
		const char *word;
		bool *flag;
	} words[] = {
		{ "iommufd", &test->iommufd }, { "legacy", NULL },
		{ "device", &test->device }, { "iommu", NULL },
		{ "two", &test->two }, { "slow", &test->slow },
		{ "cancel", &test->cancel }, { "back", &test->back },
		{ "observed", &test->observed }, { "signals", &test->signals },
		{ "static", &test->viommu }, { "remap", &test->remap },
		{ "all", &test->all }, { "untracked", &test->untracked },
		{ "unflushed", &test->unflushed },
		{ "mixed", &test->mixed }, { "hwpt", &test->hwpt },
		{ "tracker", &test->tracker }, { "rate", &test->rate },
		{ "hotplug", &test->hotplug },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i].word) != len || memcmp(words[i].word, word, len))
			continue;
		if (words[i].flag)
			*words[i].flag = true;
		return true;
	}
	return false;
}

static struct test parse(const char *name)
{
	struct test test = { .name = name };
	const char *word = name;
	size_t len;

	snprintf(test.qemu, sizeof(test.qemu), "%.*s", (int)strcspn(name, ":"), name);
	test.patched = !strcmp(test.qemu, "patched");
	for (word += strcspn(word, ":"); *word; word += len) {
		word++;
		len = strcspn(word, ":");
		if (!parse_word(&test, word, len)) {
			printf("Bail out! %s: unknown word %.*s\n", name, (int)len, word);
			exit(2);
		}
	}
	test.viommu |= test.remap;
	return test;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_edu(const char *device)
{
	char path[320], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/uevent", device);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(text, sizeof(text), f) && strncmp(text, "PCI_ID=", 7))
		;
	fclose(f);
	return !strncmp(text, "PCI_ID=1234:11E8", 16);
}

static unsigned int find_devices(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	unsigned int n = 0;

	while (dir && (entry = readdir(dir)) && n < NR_DEVICES)
		if (is_edu(entry->d_name))
			snprintf(devices[n++], sizeof(devices[0]), "%.15s", entry->d_name);
	if (dir)
		closedir(dir);
	qsort(devices, n, sizeof(devices[0]), by_name);
	return n;
}

/* Prints the result of a case; returns false if it is not the expected one */
static bool report(int number, const char *mode, const struct test *test, int code)
{
	bool known = test->remap && !test->patched;
	bool lossy = test->untracked || test->unflushed || known;
	bool lost = code == BAD_PAGES;

	if (lossy && !code)
		puts("# no page is bad, but some were expected to be");
	if (known && lost)
		printf("not ok %d %s:%s # XFAIL Q2, Q3: QEMU's vIOMMU loses unmapped pages\n",
		       number, mode, test->name);
	else
		printf("%s %d %s:%s\n", (lossy ? lost : !code) ? "ok" : "not ok", number, mode,
		       test->name);
	return lossy ? lost : !code;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int i, status = 0, failed = 0;
	struct test *tests, *test;
	double begin;
	pid_t pid;

	if (argc < 3) {
		fputs("usage: vmm-migrate MODE CASE...\n", stderr);
		return 2;
	}
	if (find_devices() != NR_DEVICES) {
		printf("Bail out! fewer than %d edu devices\n", NR_DEVICES);
		return 1;
	}
	/* The case reports a QEMU that has ended, so ignore the signal */
	signal(SIGPIPE, SIG_IGN);
	tests = calloc(argc, sizeof(*tests));
	if (!tests) {
		puts("Bail out! no memory");
		return 1;
	}
	for (i = 2; i < argc; i++)
		tests[i] = parse(argv[i]);
	printf("TAP version 13\n1..%d\n", argc - 2);
	for (i = 2; i < argc; i++) {
		test = &tests[i];
		begin = now();
		fflush(stdout);
		pid = fork();
		if (!pid)
			run(test);
		if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) {
			if (pid > 0 && WIFSIGNALED(status))
				printf("# ended by signal %d\n", WTERMSIG(status));
			status = 1 << 8;
		}
		if (test->unflushed)
			set_break("0");
		printf("# %s took %.1f s\n", test->name, now() - begin);
		failed += !report(i - 1, argv[1], test, WEXITSTATUS(status));
	}
	free(tests);
	return failed != 0;
}
