// Package errno says what an operator can do about errors of the operating
// system. The advice follows the cause: the step at which a file could not be
// had says nothing about why.
package errno

import (
	"errors"
	"syscall"
)

// hints are for causes whose way out is the same whatever was being done.
var hints = map[syscall.Errno]string{
	syscall.EMFILE:       "raise the open files limit (ulimit -n), or work on fewer hosts at once",
	syscall.ENFILE:       "the whole system has too many files open: close some programs, or raise fs.file-max",
	syscall.ENOMEM:       "free some memory, or work on fewer hosts at once",
	syscall.ENOSPC:       "free some space on that file system (check df and df -i), or name a file on another one",
	syscall.EDQUOT:       "free some of your disk quota (check quota), or name a file on another file system",
	syscall.EFBIG:        "raise the file size limit (ulimit -f), or name a file on another file system",
	syscall.EROFS:        "the file system is mounted read-only: remount it, or name a file on another one",
	syscall.EACCES:       "change the permissions of the file or of a directory above it (check namei -l FILE), or run as a user with access",
	syscall.EPERM:        "check who owns the file, and whether it is immutable (lsattr FILE)",
	syscall.EIO:          "the disk reports errors: check the kernel log (dmesg)",
	syscall.ESTALE:       "the file's server has replaced it: mount the file system again",
	syscall.ELOOP:        "the symbolic links on that path form a loop (check namei FILE), or are not followed there",
	syscall.ENAMETOOLONG: "choose a shorter name",
	syscall.ENOTDIR:      "a part of that path is a file, not a directory (check namei FILE)",
	syscall.ENOLCK:       "the file system does not support locks: name a file on a local disk",
}

// Of is the error of the operating system that err wraps, 0 if it wraps none.
func Of(err error) syscall.Errno {
	e, _ := errors.AsType[syscall.Errno](err)
	return e
}

// Hint is what can be done about the error of the operating system that err
// wraps; empty if it wraps none, or nothing is known about it.
func Hint(err error) string { return hints[Of(err)] }

// OutOfFiles reports whether err is about too many open files.
func OutOfFiles(err error) bool {
	e := Of(err)
	return e == syscall.EMFILE || e == syscall.ENFILE
}
