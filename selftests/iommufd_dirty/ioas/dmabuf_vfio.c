// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device writes to the registers of another one: VFIO exports them as a dma-buf, which is
 * mapped beside ordinary memory. The registers are not reported as dirty, and the memory
 * is; also after VFIO has revoked the dma-buf, because the user disables the registers or
 * closes the device. Needs Linux 7.3 with CONFIG_VFIO_PCI_DMABUF. dmabuf.c has the rest.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define NEAR	8	/* pages of memory on either side */
#define MIDDLE	4	/* pages of registers */
#define PAGES	(NEAR + MIDDLE + NEAR)
#define AT(page) (IOVA + (page) * SZ_4K)
#define REG_DST	0x88	/* a register that reads as the value written */

FIXTURE(dmabuf_vfio)
{
	struct env env;
	struct oracle o;	/* of all pages; those in the middle never change */
	int file;
};

FIXTURE_SETUP(dmabuf_vfio)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;
	size_t right = NEAR + MIDDLE;

	OPEN_OR_SKIP(return, env_need_pci(2));
	OPEN_OR_SKIP(return, env_open(env, 2));
	self->file = __vfio_dmabuf(&env->edu[1], 0, MIDDLE * SZ_4K);
	if (self->file == -ENOTTY || self->file == -EOPNOTSUPP)
		SKIP(return, "needs Linux 7.3 with CONFIG_VFIO_PCI_DMABUF");
	check(self->file);
	oracle_open(o, env, PAGES, IOVA);
	ioas_map(env->fd, env->ioas, o->mem, NEAR * SZ_4K, IOVA);
	check(__ioas_map_file(env->fd, env->ioas, self->file, MIDDLE * SZ_4K, AT(NEAR)));
	ioas_map(env->fd, env->ioas, o->mem + right * SZ_4K, NEAR * SZ_4K, AT(right));
}

FIXTURE_TEARDOWN(dmabuf_vfio)
{
	if (self->o.mem) {
		close(self->file);
		oracle_close(&self->o);
	}
	if (self->env.stage)
		env_close(&self->env);
}

/* Device 0 writes to a register of device 1; fatal if that does not arrive */
static void write_register(struct env *env)
{
	__u64 value = env_load(env, 0);

	env_store(env, 0, AT(NEAR) + REG_DST);
	if (edu_read(&env->edu[1], REG_DST) != value)
		fatal("device 0 cannot write to device 1");
}

/* Device 0 writes to the memory next to the registers; READ finds that, and only that */
static bool tracked(struct oracle *o)
{
	__u64 found;

	env_load(o->env, 0);
	oracle_write(o, 0, NEAR - 1);
	oracle_write(o, 0, NEAR + MIDDLE);
	found = oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR);
	if (oracle_read(o, 0) != found)
		return false;
	oracle_check(o);
	return found == 2 && !o->lost && !o->extra && !oracle_differing(o);
}

TEST_F(dmabuf_vfio, read_and_unmap)
{
	struct env *env = &self->env;

	env_twin(env);
	write_register(env);
	env_start(env);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	write_register(env);
	EXPECT_TRUE(tracked(&self->o));
	write_register(env);
	ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
	EXPECT_TRUE(tracked(&self->o));
}

/* Without PCI_COMMAND_MEMORY there are no registers, and never again in this mapping */
TEST_F(dmabuf_vfio, disabled)
{
	struct env *env = &self->env;
	int fd = env->edu[1].fd;
	__u64 config = vfio_region(fd, VFIO_PCI_CONFIG_REGION_INDEX);
	__u16 cmd = 0;

	env_twin(env);
	env_start(env);
	write_register(env);
	EXPECT_TRUE(tracked(&self->o));
	ASSERT_EQ(2, pwrite(fd, &cmd, 2, config + PCI_COMMAND));
	EXPECT_TRUE(tracked(&self->o));
	vfio_enable_master(fd);
	EXPECT_TRUE(tracked(&self->o));
	ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
	EXPECT_TRUE(tracked(&self->o));
}

TEST_F(dmabuf_vfio, closed)
{
	struct env *env = &self->env;
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = self->o.bitmap,
	};
	__u64 unmapped;

	env_start(env);
	write_register(env);
	EXPECT_TRUE(tracked(&self->o));
	edu_close(&env->edu[--env->num_edu]);
	EXPECT_TRUE(tracked(&self->o));
	env_load(env, 0);
	oracle_write(&self->o, 0, 0);
	memset(self->o.bitmap, 0, 8);
	EXPECT_EQ(0, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(PAGES * SZ_4K, unmapped);
	EXPECT_EQ(1, args.out_pages);
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 0));
}

TEST_HARNESS_MAIN
