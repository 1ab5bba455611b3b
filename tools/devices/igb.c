// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small driver for Intel's 82576 network card behind vfio-pci, as QEMU emulates it
 * (-device igb). The card sends frames to itself, so it copies memory. Section numbers below
 * are of the "82576 GbE Controller Datasheet", revision 2.6. The driver uses one queue for
 * each direction and no interrupts.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igb.h"

#define ID_INTEL	0x8086
#define ID_82576	0x10c9

/* 8.1.3 "Register Summary" */
#define REG_CTRL	0x0000
#define REG_STATUS	0x0008
#define REG_MDIC	0x0020
#define REG_RCTL	0x0100
#define REG_TCTL	0x0400
#define REG_IMC		0x150c
#define REG_GPTC	0x4080
#define REG_RX		0xc000		/* of queue 0 */
#define REG_TX		0xe000
#define BAR_SIZE	0x20000

/* The same for both directions */
#define RING_BAL	0x00
#define RING_BAH	0x04
#define RING_LEN	0x08
#define RING_SRRCTL	0x0c		/* when receiving */
#define RING_HEAD	0x10
#define RING_TAIL	0x18
#define RING_DCTL	0x28

#define CTRL_FD		0x1
#define CTRL_SLU	0x40
#define CTRL_SPD_MASK	0x300
#define CTRL_SPD_1000	0x200
#define CTRL_FRCSPD	0x800
#define CTRL_FRCDPX	0x1000
#define CTRL_RST	0x4000000
#define STATUS_LU	0x2
#define MDIC_PHY_1	0x200000
#define MDIC_WRITE	0x4000000
#define MDIC_READY	0x10000000
#define MDIC_ERROR	0x40000000
#define RCTL_EN		0x2
#define RCTL_UPE	0x8
#define RCTL_MPE	0x10
#define RCTL_LBM_MAC	0x40
#define RCTL_BAM	0x8000
#define RCTL_SECRC	0x4000000	/* do not write the checksum to memory */
#define TCTL_EN		0x2
#define TCTL_PSP	0x8
#define SRRCTL_ADV	0x2000000	/* advanced descriptors with one buffer */
#define DCTL_ENABLE	0x2000000

/* 802.3 clause 22: the control register of the PHY */
#define PHY_CONTROL	0
#define PHY_1000	0x40
#define PHY_DUPLEX	0x100
#define PHY_RESTART	0x200
#define PHY_AUTONEG	0x1000
#define PHY_LOOPBACK	0x4000

/* 7.2.2.3 "Advanced Transmit Data Descriptor", and 7.2.2.4 for what the card writes */
struct igb_tx {
	__le64 address;
	__le32 command;
	__le32 status;
};

#define TX_DATA		0x300000
#define TX_EOP		0x1000000
#define TX_IFCS		0x2000000
#define TX_RS		0x8000000	/* write DONE into the descriptor */
#define TX_DEXT		0x20000000
#define TX_PAYLEN_SHIFT	14
#define DONE		0x1

/* 7.1.5.1 "Advanced Receive Descriptors", and 7.1.5.2 for what the card writes */
struct igb_rx {
	union {
		__le64 address;
		__le64 info;
	};
	union {
		__le64 header;
		struct {
			__le32 status;
			__le16 length;
			__le16 vlan;
		};
	};
};

static bool is_igb(const char *bdf, const char *unused)
{
	return pci_attr(bdf, "vendor") == ID_INTEL && pci_attr(bdf, "device") == ID_82576;
}

unsigned int igb_count(void)
{
	char bdfs[VFIO_MAX_DEVICES][32];

	return vfio_find(PCI_DEVICES, is_igb, NULL, bdfs);
}

static __u32 reg_read(struct igb *igb, unsigned int reg)
{
	return le32toh(__atomic_load_n((__u32 *)(igb->bar + reg), __ATOMIC_ACQUIRE));
}

static void reg_write(struct igb *igb, unsigned int reg, __u32 val)
{
	__atomic_store_n((__u32 *)(igb->bar + reg), htole32(val), __ATOMIC_RELEASE);
}

static void wait_reg(struct igb *igb, unsigned int reg, __u32 mask, __u32 want)
{
	time_t limit = time(NULL) + 10;

	while ((reg_read(igb, reg) & mask) != want) {
		if (time(NULL) > limit)
			fatal("%s: register %#x is %#x", igb->bdf, reg, reg_read(igb, reg));
		usleep(100);
	}
}

static void wait_done(struct igb *igb, const __le32 *status, const char *what)
{
	time_t limit = time(NULL) + 10;

	while (!(le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) & DONE))
		if (time(NULL) > limit)
			fatal("%s: a frame was not %s", igb->bdf, what);
}

/* 8.2.4 "MDI Control Register" */
static void phy_write(struct igb *igb, __u32 reg, __u32 val)
{
	reg_write(igb, REG_MDIC, MDIC_WRITE | MDIC_PHY_1 | reg << 16 | val);
	wait_reg(igb, REG_MDIC, MDIC_READY | MDIC_ERROR, MDIC_READY);
}

/*
 * 3.5.6.3 "Internal PHY Loopback". QEMU's card receives nothing unless an autonegotiation
 * has ended, so begin one.
 */
static void set_loopback(struct igb *igb)
{
	__u32 ctrl = reg_read(igb, REG_CTRL) & ~CTRL_SPD_MASK;

	phy_write(igb, PHY_CONTROL, PHY_AUTONEG | PHY_RESTART);
	phy_write(igb, PHY_CONTROL, PHY_LOOPBACK | PHY_1000 | PHY_DUPLEX);
	reg_write(igb, REG_CTRL, ctrl | CTRL_FD | CTRL_SLU | CTRL_SPD_1000 | CTRL_FRCSPD |
		  CTRL_FRCDPX);
	wait_reg(igb, REG_STATUS, STATUS_LU, STATUS_LU);
}

/* QEMU's card sends to itself only in the MAC loopback, which 3.5.6.2 rules out */
static void receive(struct igb *igb, bool on)
{
	reg_write(igb, REG_RCTL, (on ? RCTL_EN : 0) | RCTL_UPE | RCTL_MPE | RCTL_BAM |
		  RCTL_LBM_MAC | RCTL_SECRC);
}

static void reset(struct igb *igb)
{
	reg_write(igb, REG_CTRL, reg_read(igb, REG_CTRL) | CTRL_RST);
	/* 4.2.1.6.1: the bit must not be read earlier */
	usleep(1000);
	wait_reg(igb, REG_CTRL, CTRL_RST, 0);
	reg_write(igb, REG_IMC, -1);
}

void igb_open(struct igb *igb, unsigned int index, int iommufd)
{
	char bdfs[VFIO_MAX_DEVICES][32], cdev[300];

	memset(igb, 0, sizeof(*igb));
	if (vfio_find(PCI_DEVICES, is_igb, NULL, bdfs) <= index)
		fatal("there is no network card %u", index);
	memcpy(igb->bdf, bdfs[index], sizeof(igb->bdf));
	if (vfio_cdev(PCI_DEVICES, igb->bdf, cdev, sizeof(cdev))) {
		pci_bind(igb->bdf, "vfio-pci");
		check(vfio_cdev(PCI_DEVICES, igb->bdf, cdev, sizeof(cdev)));
	}
	igb->fd = vfio_open(cdev, iommufd, &igb->dev_id);
	vfio_enable_master(igb->fd);
	igb->bar = vfio_map_bar0(igb->fd, BAR_SIZE);
}

static void ring_start(struct igb *igb, unsigned int regs, __u64 iova)
{
	reg_write(igb, regs + RING_BAL, iova);
	reg_write(igb, regs + RING_BAH, iova >> 32);
	reg_write(igb, regs + RING_LEN, IGB_RING_SIZE);
	reg_write(igb, regs + RING_HEAD, 0);
	reg_write(igb, regs + RING_TAIL, 0);
	reg_write(igb, regs + RING_DCTL, DCTL_ENABLE);
}

void igb_start(struct igb *igb, __u32 ioas, void *rings, __u64 iova)
{
	igb->tx = rings;
	igb->rx = rings + IGB_RING_SIZE;
	igb->tx_tail = 0;
	igb->rx_tail = 0;
	check(__vfio_attach(igb->fd, ioas));
	reset(igb);
	set_loopback(igb);
	reg_write(igb, REG_RX + RING_SRRCTL, SRRCTL_ADV);
	ring_start(igb, REG_TX, iova);
	ring_start(igb, REG_RX, iova + IGB_RING_SIZE);
	receive(igb, true);
	reg_write(igb, REG_TCTL, TCTL_EN | TCTL_PSP);
	/* 8.10.10 and 8.12.13: only now the queues get enabled */
	wait_reg(igb, REG_RX + RING_DCTL, DCTL_ENABLE, DCTL_ENABLE);
	wait_reg(igb, REG_TX + RING_DCTL, DCTL_ENABLE, DCTL_ENABLE);
}

void igb_function_reset(struct igb *igb)
{
	if (ioctl(igb->fd, VFIO_DEVICE_RESET))
		fatal("%s: VFIO_DEVICE_RESET: error %d", igb->bdf, errno);
}

static void add_tx(struct igb *igb, __u64 src, size_t len, __u32 flags)
{
	if (len < IGB_MIN_BYTES || len > IGB_MAX_BYTES || src % SZ_4K + len > SZ_4K)
		fatal("%s: a frame of %zu bytes at %#llx", igb->bdf, len, src);
	igb->tx[igb->tx_tail] = (struct igb_tx) {
		.address = htole64(src),
		.command = htole32(len | TX_DATA | TX_DEXT | TX_IFCS | TX_EOP | flags),
		.status = htole32(len << TX_PAYLEN_SHIFT),
	};
	igb->tx_tail = (igb->tx_tail + 1) % IGB_ENTRIES;
}

void igb_add(struct igb *igb, __u64 src, __u64 dst, size_t len)
{
	if (++igb->num >= IGB_ENTRIES)
		fatal("%s: too many copies at once", igb->bdf);
	igb->rx[igb->rx_tail] = (struct igb_rx) { .address = htole64(dst) };
	igb->length[igb->rx_tail] = len;
	igb->rx_tail = (igb->rx_tail + 1) % IGB_ENTRIES;
	add_tx(igb, src, len, TX_RS);
}

void igb_run(struct igb *igb)
{
	unsigned int tx = (igb->tx_tail - igb->num) % IGB_ENTRIES;
	unsigned int rx = (igb->rx_tail - igb->num) % IGB_ENTRIES;

	/* The release in reg_write() orders the descriptors before the tails */
	reg_write(igb, REG_RX + RING_TAIL, igb->rx_tail);
	reg_write(igb, REG_TX + RING_TAIL, igb->tx_tail);
	for (; igb->num; igb->num--) {
		wait_done(igb, &igb->tx[tx].status, "sent");
		wait_done(igb, &igb->rx[rx].status, "received");
		if (le16toh(igb->rx[rx].length) != igb->length[rx])
			fatal("%s: %u of %u bytes were received", igb->bdf,
			      le16toh(igb->rx[rx].length), igb->length[rx]);
		tx = (tx + 1) % IGB_ENTRIES;
		rx = (rx + 1) % IGB_ENTRIES;
	}
}

void igb_send(struct igb *igb, __u64 src, size_t len)
{
	if (igb->num)
		fatal("%s: copies are prepared", igb->bdf);
	receive(igb, false);
	add_tx(igb, src, len, 0);
	reg_write(igb, REG_TX + RING_TAIL, igb->tx_tail);
	wait_reg(igb, REG_TX + RING_HEAD, 0xffff, igb->tx_tail);
	receive(igb, true);
}

/* 8.19.29 "Good Packets Transmitted Count": reading clears it */
unsigned int igb_sent(struct igb *igb)
{
	return reg_read(igb, REG_GPTC);
}

void igb_close(struct igb *igb)
{
	/* Stop DMA before the memory is freed */
	reset(igb);
	munmap(igb->bar, BAR_SIZE);
	close(igb->fd);
}
