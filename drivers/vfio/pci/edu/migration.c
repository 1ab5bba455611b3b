// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration of the edu device: the states of VFIO's protocol, and the files that
 * carry the device's state. VFIO's core calls the migration ops and the user reads
 * and writes the files, without a lock of this driver; main.c calls
 * edu_close_files() with state_mutex held. state_mutex protects the migration
 * state, the file's lock the content of a file.
 *
 * The stream has one or two records. The first one exists only if pre-copy was
 * used. It describes the second one, so that a destination that cannot load it
 * fails early. The second one is the device's state.
 */
#include <linux/anon_inodes.h>
#include <linux/crc32.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"

#define EDU_MAGIC	0x55444576	/* "vEDU" */
#define EDU_VERSION	1

enum { EDU_REC_HELLO = 1, EDU_REC_STATE = 2 };

/**
 * struct edu_record - header of a record
 * @magic: EDU_MAGIC
 * @version: EDU_VERSION
 * @type: EDU_REC_HELLO or EDU_REC_STATE
 * @length: bytes of payload
 * @crc: CRC-32 of the payload
 */
struct edu_record {
	__le32 magic;
	__le16 version;
	__le16 type;
	__le32 length;
	__le32 crc;
};

/**
 * struct edu_hello - payload of the first record
 * @state_length: length of the second record's payload
 * @window_version: version of the state window
 */
struct edu_hello {
	__le32 state_length;
	__le32 window_version;
};

#define EDU_HELLO_SIZE	(sizeof(struct edu_record) + sizeof(struct edu_hello))
#define EDU_STATE_SIZE	(sizeof(struct edu_record) + sizeof(struct edu_state))

/**
 * struct edu_mig_file - a stream
 * @filp: its file
 * @lock: protects the members below, except @dead; nests inside state_mutex
 * @precopy: more data follows when the device is stopped
 * @dead: the device has left the migration state that the file is for
 * @length: bytes in @data
 * @pos: bytes of @data that have been read
 * @data: the records
 */
struct edu_mig_file {
	struct file *filp;
	struct mutex lock;	/* see above */
	bool precopy;
	bool dead;
	size_t length;
	size_t pos;
	u8 data[EDU_HELLO_SIZE + EDU_STATE_SIZE];
};

static void edu_put_record(struct edu_mig_file *migf, u16 type, const void *payload,
			   u32 length)
{
	struct edu_record rec = {
		.magic = cpu_to_le32(EDU_MAGIC),
		.version = cpu_to_le16(EDU_VERSION),
		.type = cpu_to_le16(type),
		.length = cpu_to_le32(length),
		.crc = cpu_to_le32(crc32_le(~0, payload, length)),
	};

	memcpy(migf->data + migf->length, &rec, sizeof(rec));
	memcpy(migf->data + migf->length + sizeof(rec), payload, length);
	migf->length += sizeof(rec) + length;
}

/* Returns the payload of the record at @pos if it is complete and valid, else NULL */
static const void *edu_get_record(const struct edu_mig_file *migf, size_t pos,
				  u16 type, u32 length)
{
	const u8 *payload = migf->data + pos + sizeof(struct edu_record);
	struct edu_record rec;

	if (migf->length < pos + sizeof(rec) + length)
		return NULL;
	memcpy(&rec, migf->data + pos, sizeof(rec));
	if (le32_to_cpu(rec.magic) != EDU_MAGIC ||
	    le16_to_cpu(rec.version) != EDU_VERSION ||
	    le16_to_cpu(rec.type) != type || le32_to_cpu(rec.length) != length ||
	    le32_to_cpu(rec.crc) != crc32_le(~0, payload, length))
		return NULL;
	return payload;
}

static bool edu_hello_fits(const struct edu_mig_file *migf)
{
	const struct edu_hello *hello;

	hello = edu_get_record(migf, 0, EDU_REC_HELLO, sizeof(*hello));
	return hello && le32_to_cpu(hello->state_length) == sizeof(struct edu_state) &&
	       le32_to_cpu(hello->window_version) == EDU_WINDOW_VERSION;
}

static ssize_t edu_save_read(struct file *filp, char __user *buf, size_t len,
			     loff_t *pos)
{
	struct edu_mig_file *migf = filp->private_data;
	ssize_t rc;

	if (pos)
		return -ESPIPE;
	mutex_lock(&migf->lock);
	if (READ_ONCE(migf->dead)) {
		rc = -ENODEV;
	} else if (migf->pos == migf->length && migf->precopy) {
		rc = -ENOMSG;
	} else {
		rc = min(len, migf->length - migf->pos);
		if (copy_to_user(buf, migf->data + migf->pos, rc))
			rc = -EFAULT;
		else
			migf->pos += rc;
	}
	mutex_unlock(&migf->lock);
	return rc;
}

static long edu_save_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct edu_mig_file *migf = filp->private_data;
	struct vfio_precopy_info info;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	mutex_lock(&migf->lock);
	if (READ_ONCE(migf->dead) || !migf->precopy) {
		mutex_unlock(&migf->lock);
		return READ_ONCE(migf->dead) ? -ENODEV : -EINVAL;
	}
	info.flags = 0;
	info.initial_bytes = migf->length - migf->pos;
	info.dirty_bytes = 0;
	mutex_unlock(&migf->lock);
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static ssize_t edu_resume_write(struct file *filp, const char __user *buf,
				size_t len, loff_t *pos)
{
	struct edu_mig_file *migf = filp->private_data;
	size_t before;
	ssize_t rc = len;

	if (pos)
		return -ESPIPE;
	mutex_lock(&migf->lock);
	before = migf->length;
	if (READ_ONCE(migf->dead)) {
		rc = -ENODEV;
	} else if (len > sizeof(migf->data) - before) {
		rc = -EINVAL;
	} else if (copy_from_user(migf->data + before, buf, len)) {
		rc = -EFAULT;
	} else {
		migf->length += len;
		/* Refuse a stream that does not fit before the source stops */
		if (before < EDU_HELLO_SIZE && migf->length >= EDU_HELLO_SIZE &&
		    !edu_hello_fits(migf) &&
		    ((struct edu_record *)migf->data)->type != cpu_to_le16(EDU_REC_STATE)) {
			migf->length = before;
			rc = -EINVAL;
		}
	}
	mutex_unlock(&migf->lock);
	return rc;
}

static int edu_file_release(struct inode *inode, struct file *filp)
{
	struct edu_mig_file *migf = filp->private_data;

	mutex_destroy(&migf->lock);
	kfree(migf);
	return 0;
}

static const struct file_operations edu_save_fops = {
	.owner = THIS_MODULE,
	.read = edu_save_read,
	.unlocked_ioctl = edu_save_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = edu_file_release,
};

static const struct file_operations edu_resume_fops = {
	.owner = THIS_MODULE,
	.write = edu_resume_write,
	.release = edu_file_release,
};

/* The file has a reference for the caller and one for edu_close_file() */
static struct edu_mig_file *edu_open_file(const struct file_operations *fops, int flags)
{
	struct edu_mig_file *migf = kzalloc_obj(*migf, GFP_KERNEL_ACCOUNT);
	struct file *filp;

	if (!migf)
		return ERR_PTR(-ENOMEM);
	filp = anon_inode_getfile("edu_mig", fops, migf, flags);
	if (IS_ERR(filp)) {
		kfree(migf);
		return ERR_CAST(filp);
	}
	stream_open(filp->f_inode, filp);
	mutex_init(&migf->lock);
	migf->filp = filp;
	get_file(filp);
	return migf;
}

static void edu_close_file(struct edu_mig_file **pmigf)
{
	struct edu_mig_file *migf = *pmigf;

	if (!migf)
		return;
	/*
	 * Do not take migf->lock: it is held while user memory is accessed. A reset
	 * holds memory_lock, and a fault in a BAR waits for memory_lock.
	 */
	WRITE_ONCE(migf->dead, true);
	*pmigf = NULL;
	fput(migf->filp);
}

/**
 * edu_close_files - end the streams: later reads and writes fail
 * @edu: device, with state_mutex held
 */
void edu_close_files(struct edu_device *edu)
{
	lockdep_assert_held(&edu->state_mutex);
	edu_close_file(&edu->saving);
	edu_close_file(&edu->resuming);
}

static struct file *edu_begin_precopy(struct edu_device *edu)
{
	struct edu_hello hello = {
		.state_length = cpu_to_le32(sizeof(struct edu_state)),
		.window_version = cpu_to_le32(EDU_WINDOW_VERSION),
	};
	struct edu_mig_file *migf = edu_open_file(&edu_save_fops, O_RDONLY);

	if (IS_ERR(migf))
		return ERR_CAST(migf);
	migf->precopy = true;
	edu_put_record(migf, EDU_REC_HELLO, &hello, sizeof(hello));
	edu->saving = migf;
	return migf->filp;
}

/* After pre-copy, its file continues the stream: returns NULL, not a new file */
static struct file *edu_stop_copy(struct edu_device *edu)
{
	struct edu_mig_file *migf = edu->saving;
	struct edu_state *state;
	int rc;

	state = kzalloc_obj(*state, GFP_KERNEL);
	if (!state)
		return ERR_PTR(-ENOMEM);
	rc = edu_save_state(edu, state);
	if (rc)
		goto out;
	if (!migf) {
		migf = edu_open_file(&edu_save_fops, O_RDONLY);
		rc = PTR_ERR_OR_ZERO(migf);
		if (rc)
			goto out;
	}
	mutex_lock(&migf->lock);
	migf->precopy = false;
	edu_put_record(migf, EDU_REC_STATE, state, sizeof(*state));
	mutex_unlock(&migf->lock);
out:
	kfree(state);
	if (rc)
		return ERR_PTR(rc);
	if (edu->saving)
		return NULL;
	edu->saving = migf;
	return migf->filp;
}

static struct file *edu_begin_resuming(struct edu_device *edu)
{
	struct edu_mig_file *migf = edu_open_file(&edu_resume_fops, O_WRONLY);

	if (IS_ERR(migf))
		return ERR_CAST(migf);
	edu->resuming = migf;
	return migf->filp;
}

/* The device changes only if the whole stream is valid */
static int edu_end_resuming(struct edu_device *edu)
{
	struct edu_mig_file *migf = edu->resuming;
	const struct edu_state *state = NULL;
	size_t pos = 0;
	int rc = -EINVAL;

	mutex_lock(&migf->lock);
	if (edu_hello_fits(migf))
		pos = EDU_HELLO_SIZE;
	if (migf->length == pos + EDU_STATE_SIZE)
		state = edu_get_record(migf, pos, EDU_REC_STATE, sizeof(*state));
	mutex_unlock(&migf->lock);
	/* Writers only append, so @state does not change. Loading takes memory_lock */
	if (state && !(le64_to_cpu(state->cmd) & EDU_DMA_RUN) &&
	    !(le32_to_cpu(state->status) & EDU_STATUS_COMPUTING) &&
	    (!state->kept_cmd || le64_to_cpu(state->kept_cmd) & EDU_DMA_RUN))
		rc = edu_load_state(edu, state);
	if (!rc)
		edu_close_file(&edu->resuming);
	return rc;
}

#define ARC(from, to)	((VFIO_DEVICE_STATE_##from) << 4 | (VFIO_DEVICE_STATE_##to))

/* Does one arc of the state machine; returns the new file if the arc opens one */
static struct file *edu_step(struct edu_device *edu, enum vfio_device_mig_state next)
{
	switch (edu->mig_state << 4 | next) {
	case ARC(RUNNING, RUNNING_P2P):
	case ARC(PRE_COPY, PRE_COPY_P2P):
		if (edu->quirks & EDU_QUIRK_P2P_DMA)
			return NULL;
		return ERR_PTR(edu_quiesce_dma(edu));
	case ARC(RUNNING_P2P, STOP):
		return ERR_PTR(edu_quiesce(edu));
	case ARC(STOP, RUNNING_P2P):
		return NULL;
	case ARC(RUNNING_P2P, RUNNING):
	case ARC(PRE_COPY_P2P, PRE_COPY):
		return ERR_PTR(edu_start_kept(edu));
	case ARC(RUNNING, PRE_COPY):
	case ARC(RUNNING_P2P, PRE_COPY_P2P):
		return edu_begin_precopy(edu);
	case ARC(PRE_COPY, RUNNING):
	case ARC(PRE_COPY_P2P, RUNNING_P2P):
	case ARC(STOP_COPY, STOP):
		edu_close_file(&edu->saving);
		return NULL;
	case ARC(PRE_COPY_P2P, STOP_COPY): {
		int rc = edu_quiesce(edu);

		return rc ? ERR_PTR(rc) : edu_stop_copy(edu);
	}
	case ARC(STOP, STOP_COPY):
		return edu_stop_copy(edu);
	case ARC(STOP, RESUMING):
		return edu_begin_resuming(edu);
	case ARC(RESUMING, STOP):
		return ERR_PTR(edu_end_resuming(edu));
	}
	/* vfio_mig_get_next_state() returns no other arcs */
	WARN_ON(true);
	return ERR_PTR(-EINVAL);
}

static struct file *edu_set_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state new_state)
{
	struct edu_device *edu = to_edu(vdev);
	enum vfio_device_mig_state next;
	struct file *res = NULL;
	int rc;

	mutex_lock(&edu->state_mutex);
	while (edu->mig_state != new_state) {
		rc = vfio_mig_get_next_state(vdev, edu->mig_state, new_state, &next);
		if (rc) {
			res = ERR_PTR(rc);
			break;
		}
		res = edu_step(edu, next);
		if (IS_ERR(res))
			break;
		edu->mig_state = next;
		if (WARN_ON(res && next != new_state)) {
			fput(res);
			res = ERR_PTR(-EINVAL);
			break;
		}
	}
	edu_state_unlock(edu);
	return res;
}

static int edu_get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	struct edu_device *edu = to_edu(vdev);

	mutex_lock(&edu->state_mutex);
	*state = edu->mig_state;
	edu_state_unlock(edu);
	return 0;
}

static int edu_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	*length = EDU_STATE_SIZE;
	return 0;
}

const struct vfio_migration_ops edu_migration_ops = {
	.migration_set_state = edu_set_state,
	.migration_get_state = edu_get_state,
	.migration_get_data_size = edu_get_data_size,
};
