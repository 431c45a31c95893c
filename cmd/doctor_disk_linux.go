package cmd

import "golang.org/x/sys/unix"

// networkKinds are file systems that are, or may be, another machine's.
var networkKinds = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.FUSE_SUPER_MAGIC: "FUSE",
}

// networkKind names a file system that may be another machine's; empty: it is
// not.
func networkKind(fs *unix.Statfs_t) string { return networkKinds[uint32(fs.Type)] }
