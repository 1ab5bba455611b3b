// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The last error of each thread, and the texts of errors.
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "internal.h"

static __thread struct idirty_error last;

struct idirty_error *last_error(void)
{
	return &last;
}

int failed(enum idirty_verb verb, int rc)
{
	last = (struct idirty_error){ .size = sizeof(last), .code = -rc, .verb = verb };
	return rc;
}

int blame(const char *argument, const char *why, int rc)
{
	last.argument = argument;
	last.why = why;
	return rc;
}

int blame_entry(const char *argument, size_t index, const char *why, int rc)
{
	last.entry = index + 1;
	return blame(argument, why, rc);
}

int unknown_flags(enum idirty_verb verb)
{
	return blame("flags", "has a bit that is not known or not available",
		     failed(verb, -EOPNOTSUPP));
}

int call(enum idirty_verb verb, int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? failed(verb, -errno) : 0;
}

const struct idirty_error *idirty_last_error(void)
{
	return &last;
}

const char *idirty_reason_text(uint32_t reason)
{
	switch (reason) {
	case IDIRTY_REASON_OK:
		return "it can be tracked";
	case IDIRTY_REASON_NO_DRIVER:
		return "its driver offers no dirty tracking";
	case IDIRTY_REASON_NO_HW:
		return "the IOMMU sets no dirty bits in page tables of this format";
	case IDIRTY_REASON_NOT_REQUESTED:
		return "tracking must be requested: see idirty_set_trackable(3)";
	case IDIRTY_REASON_NEST_PARENT:
		return "the driver cannot track the parent of nested page tables";
	case IDIRTY_REASON_ENABLE_FAILED:
		return "its driver failed to enable tracking";
	case IDIRTY_REASON_INCOHERENT:
		return "the IOMMU does not snoop the CPU caches when it accesses page tables";
	case IDIRTY_REASON_UNBOUND:
		return "the device is no longer bound to the iommufd";
	case IDIRTY_REASON_NO_BBML:
		return "the SMMU cannot change the size of entries in use (IDR3.BBML)";
	default:
		return "for a reason that is unknown to this library";
	}
}

const char *idirty_format_text(uint32_t format)
{
	switch (format) {
	case IDIRTY_FORMAT_VTD_SS:
		return "VT-d second stage";
	case IDIRTY_FORMAT_VTD_FS:
		return "VT-d first stage";
	case IDIRTY_FORMAT_AMD_V1:
		return "AMD v1";
	case IDIRTY_FORMAT_AMD_V2:
		return "AMD v2";
	case IDIRTY_FORMAT_ARM_S1:
		return "Arm stage 1";
	case IDIRTY_FORMAT_ARM_S2:
		return "Arm stage 2";
	case IDIRTY_FORMAT_RISCV:
		return "RISC-V";
	default:
		return "unknown";
	}
}

const char *idirty_backend_text(enum idirty_backend backend)
{
	switch (backend) {
	case IDIRTY_BACKEND_TRACKER:
		return "dirty tracker";
	case IDIRTY_BACKEND_HWPT:
		return "dirty tracking of each HWPT";
	case IDIRTY_BACKEND_VFIO:
		return "VFIO DMA logging";
	default:
		return "unknown";
	}
}

const char *idirty_weakness_text(uint32_t weakness)
{
	switch (weakness) {
	case IDIRTY_WEAK_LATE_HWPT:
		return "a page table that was not passed, or that joins later, is not tracked";
	case IDIRTY_WEAK_UNMAP:
		return "dirty pages are lost when they are unmapped";
	case IDIRTY_WEAK_HOLES:
		return "a range with an unmapped hole is read up to the hole only";
	case IDIRTY_WEAK_RANGES:
		return "only the ranges given at START are tracked";
	case IDIRTY_WEAK_SOFTWARE:
		return "writes by emulated devices are not seen";
	case IDIRTY_WEAK_EXCLUSIVE:
		return "another reader of the same target takes dirty pages away";
	case IDIRTY_WEAK_PARTIAL:
		return "a READ of part of a mapping loses the dirty pages in the rest of it";
	case IDIRTY_WEAK_REWRITE:
		return "behind an Arm SMMUv3, a second write to a page may be missed";
	case IDIRTY_WEAK_ONE_DEVICE:
		return "no other device is tracked";
	case IDIRTY_WEAK_VERBS:
		return "it cannot read without clearing, and cannot unmap";
	default:
		return "unknown";
	}
}

static const char *verb_text(enum idirty_verb verb)
{
	static const char *const names[IDIRTY_VERB_OPTION + 1] = {
		[IDIRTY_VERB_NONE] = "call",
		[IDIRTY_VERB_ALLOC] = "ALLOC",
		[IDIRTY_VERB_INFO] = "INFO",
		[IDIRTY_VERB_START] = "START",
		[IDIRTY_VERB_STOP] = "STOP",
		[IDIRTY_VERB_READ] = "READ",
		[IDIRTY_VERB_SCAN] = "SCAN",
		[IDIRTY_VERB_UNMAP] = "UNMAP",
		[IDIRTY_VERB_UPDATE] = "UPDATE",
		[IDIRTY_VERB_DESTROY] = "DESTROY",
		[IDIRTY_VERB_LIST] = "LIST",
		[IDIRTY_VERB_MARK] = "MARK",
		[IDIRTY_VERB_PRECOPY] = "pre-copy",
		[IDIRTY_VERB_OPEN] = "open",
		[IDIRTY_VERB_MAP] = "map",
		[IDIRTY_VERB_OPTION] = "OPTION",
	};

	return verb <= IDIRTY_VERB_OPTION ? names[verb] : "call";
}

/* The meaning of an errno in a verb; NULL where strerror() says enough */
static const char *code_text(enum idirty_verb verb, int code)
{
	static const char no_trackers[] =
		"this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)";
	bool reads = verb == IDIRTY_VERB_READ || verb == IDIRTY_VERB_SCAN ||
		     verb == IDIRTY_VERB_UNMAP || verb == IDIRTY_VERB_MARK;

	switch (code) {
	case ENOTTY:
		if (verb == IDIRTY_VERB_START)
			return "the driver of the device does not log DMA";
		if (verb == IDIRTY_VERB_MARK)
			return "the kernel or the fallback cannot make pages dirty again";
		if (verb == IDIRTY_VERB_UNMAP || verb == IDIRTY_VERB_UPDATE)
			return "a tracker with a file of its own cannot do that";
		return verb == IDIRTY_VERB_ALLOC || verb == IDIRTY_VERB_LIST ? no_trackers : NULL;
	case ENOENT:
		return verb == IDIRTY_VERB_UNMAP ?
			"the range cuts a mapping or, without trackers, contains none" :
			"no object has this id";
	case ENODATA:
		return "a tracker is not running, or was stopped, or its IOAS is gone";
	case ESTALE:
		return "the device tracker lost coverage during the call";
	case ERANGE:
		return "the device tracker does not cover all of the range";
	case EALREADY:
		return "the tracker is starting or running";
	case EBUSY:
		if (verb == IDIRTY_VERB_START)
			return "it is already tracked by other means, or in other ranges";
		if (verb == IDIRTY_VERB_UPDATE)
			return "the device may be doing DMA";
		return verb == IDIRTY_VERB_STOP ? "a START is under way" :
						  "another call uses it";
	case EIO:
		return "the driver failed";
	case EUSERS:
		return "the maximum number of trackers is already running on it";
	case ENODEV:
		return "the device is no longer bound to the iommufd, or the IOAS is gone";
	case E2BIG:
		return verb == IDIRTY_VERB_START || verb == IDIRTY_VERB_UPDATE ?
			"more than the device can track" : NULL;
	case EFAULT:
		return "the memory passed to the call cannot be accessed";
	case EOVERFLOW:
		return "the range exceeds the address space";
	case EINVAL:
		if (verb == IDIRTY_VERB_ALLOC)
			return "an object of this kind cannot be tracked";
		return reads ? "length, page size or number of trackers is out of range" :
			       NULL;
	case ENXIO:
		return "a member cannot be tracked";
	case EOPNOTSUPP:
		if (verb == IDIRTY_VERB_OPTION)
			return no_trackers;
		return verb == IDIRTY_VERB_ALLOC ?
			"the kernel or the fallback does not know the flags" : "not supported";
	default:
		return NULL;
	}
}

/* Describes a wrong argument; returns the length of the text */
static int argument_text(const struct idirty_error *error, char *buf, size_t size)
{
	if (error->entry)
		return snprintf(buf, size, "%s: %s[%zu] %s", verb_text(error->verb),
				error->argument, error->entry - 1, error->why);
	return snprintf(buf, size, "%s: %s %s", verb_text(error->verb), error->argument,
			error->why);
}

const char *idirty_strerror(const struct idirty_error *error, char *buf, size_t size)
{
	struct idirty_error own = {};
	const char *text;
	char other[128];
	int len;

	if (!size)
		return buf;
	/* The caller's may be older or newer */
	memcpy(&own, error, error->size < sizeof(own) ? error->size : sizeof(own));
	error = &own;
	text = code_text(error->verb, error->code);
	if (!error->code) {
		snprintf(buf, size, "no error");
		return buf;
	}
	if (error->verb == IDIRTY_VERB_START && error->member_type) {
		snprintf(buf, size, "START: %s %u cannot be tracked: %s",
			 error->member_type == IDIRTY_MEMBER_HWPT ? "HWPT" :
			 error->member_type == IDIRTY_MEMBER_DEVICE ? "device" : "member",
			 error->member_id, idirty_reason_text(error->reason));
		return buf;
	}
	if (!text) {
		if (strerror_r(error->code, other, sizeof(other)))
			snprintf(other, sizeof(other), "error %d", error->code);
		text = other;
	}
	if (error->argument && error->why)
		len = argument_text(error, buf, size);
	else
		len = snprintf(buf, size, "%s: %s", verb_text(error->verb), text);
	if (error->tracker && len >= 0 && (size_t)len < size)
		snprintf(buf + len, size - len, " (tracker %u of the call)",
			 error->tracker);
	return buf;
}
