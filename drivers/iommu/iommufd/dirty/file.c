// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a tracker, for an observer that must leave nothing behind: its last close
 * destroys the tracker, and it gives access to nothing else. It holds no reference to the
 * iommufd. Made by ALLOC in ioctl.c; the ioctls are those of iommufd's ioctl table that
 * only need the tracker.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "object.h"

union file_buffer {
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_tracker_mark mark;
	struct iommu_dirty_tracker_read read;
	struct iommu_dirty_tracker_scan scan;
	struct iommu_dirty_tracker_start start;
	struct iommu_dirty_tracker_stop stop;
};

/**
 * struct file_op - One ioctl
 * @cmd: Its number
 * @size: Size of its struct in this kernel
 * @min_size: Size of the first version of the struct
 * @execute: Its implementation
 */
struct file_op {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	int (*execute)(struct iommufd_ucmd *ucmd);
};

#define FILE_OP(_cmd, _fn, _struct, _last) {		\
	.cmd = _cmd,					\
	.size = sizeof(_struct),			\
	.min_size = offsetofend(_struct, _last),	\
	.execute = _fn,					\
}

/* The last members are those of iommufd's ioctl table */
static const struct file_op file_ops[] = {
	FILE_OP(IOMMU_DIRTY_TRACKER_INFO, iommufd_dirty_tracker_info,
		struct iommu_dirty_tracker_info, __reserved),
	FILE_OP(IOMMU_DIRTY_TRACKER_START, iommufd_dirty_tracker_start,
		struct iommu_dirty_tracker_start, out_reason),
	FILE_OP(IOMMU_DIRTY_TRACKER_STOP, iommufd_dirty_tracker_stop,
		struct iommu_dirty_tracker_stop, __reserved),
	FILE_OP(IOMMU_DIRTY_TRACKER_READ, iommufd_dirty_tracker_read,
		struct iommu_dirty_tracker_read, out_pages),
	FILE_OP(IOMMU_DIRTY_TRACKER_SCAN, iommufd_dirty_tracker_scan,
		struct iommu_dirty_tracker_scan, out_pages),
	FILE_OP(IOMMU_DIRTY_TRACKER_MARK, iommufd_dirty_tracker_mark,
		struct iommu_dirty_tracker_mark, data),
};

static const struct file_op *file_find_op(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(file_ops); i++)
		if (file_ops[i].cmd == cmd)
			return &file_ops[i];
	return NULL;
}

static long file_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	const struct file_op *op = file_find_op(cmd);
	union file_buffer buffer;
	struct iommufd_dirty_call call = {
		.ucmd.ubuffer = (void __user *)arg,
		.ucmd.cmd = &buffer,
		.tracker = filp->private_data,
	};
	int rc;

	if (!op)
		return -ENOTTY;
	if (get_user(call.ucmd.user_size, (u32 __user *)arg))
		return -EFAULT;
	if (call.ucmd.user_size < op->min_size)
		return -EINVAL;
	rc = copy_struct_from_user(&buffer, op->size, call.ucmd.ubuffer,
				   call.ucmd.user_size);
	return rc ? rc : op->execute(&call.ucmd);
}

static int file_release(struct inode *inode, struct file *filp)
{
	struct iommufd_dirty_tracker *tracker = filp->private_data;

	iommufd_dirty_tracker_fini(tracker);
	kfree(tracker);
	return 0;
}

static const struct file_operations file_fops = {
	.owner = THIS_MODULE,
	.release = file_release,
	.unlocked_ioctl = file_ioctl,
};

/**
 * iommufd_dirty_file_new() - Allocate a tracker with a file
 * @ioas: As for iommufd_dirty_tracker_init()
 * @device: Same
 * @flags: Combination of enum iommu_dirty_alloc_flags
 * @filep: Out: the file, which owns the tracker
 *
 * Return: 0 or a negative errno.
 */
int iommufd_dirty_file_new(struct iommufd_ioas *ioas,
			   struct iommufd_dirty_device *device, u32 flags,
			   struct file **filep)
{
	struct iommufd_dirty_tracker *tracker;
	int rc;

	tracker = kzalloc_obj(*tracker, GFP_KERNEL_ACCOUNT);
	if (!tracker)
		return -ENOMEM;
	rc = iommufd_dirty_tracker_init(tracker, ioas, device);
	if (rc)
		goto err_free;
	iommufd_dirty_set_passive(tracker, flags);
	*filep = anon_inode_getfile("[iommufd-dirty]", &file_fops, tracker,
				    O_RDWR);
	if (IS_ERR(*filep)) {
		rc = PTR_ERR(*filep);
		goto err_fini;
	}
	return 0;

err_fini:
	iommufd_dirty_tracker_fini(tracker);
err_free:
	kfree(tracker);
	return rc;
}
