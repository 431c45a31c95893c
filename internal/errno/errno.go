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
	syscall.EMFILE:       "raise this process's limit of open files (ulimit -n), or work on fewer hosts at once (-f)",
	syscall.ENFILE:       "the whole system has too many files open: close some programs, or raise fs.file-max",
	syscall.ENOMEM:       "free some memory, or work on fewer hosts at once (-f)",
	syscall.ENOSPC:       "free some space on that file system (df and df -i show what is left), or name a file on another one",
	syscall.EDQUOT:       "free some of your disk quota (quota shows it), or name a file on another file system",
	syscall.EFBIG:        "raise the limit on the size of files (ulimit -f), or name a file on another file system",
	syscall.EROFS:        "that file system is mounted read-only: name a file on another one, or remount it",
	syscall.EACCES:       "change the permissions of the file or of a directory above it (namei -l FILE shows them), or run as a user who has them",
	syscall.EPERM:        "see who owns the file, and whether it is immutable (lsattr FILE)",
	syscall.EIO:          "the disk reports errors: see the kernel's log (dmesg)",
	syscall.ESTALE:       "the file's server has replaced it: mount the file system again",
	syscall.ELOOP:        "the symbolic links on that path go in a circle (namei FILE shows them), or are not followed there",
	syscall.ENAMETOOLONG: "choose a shorter name",
	syscall.ENOTDIR:      "a part of that path is a file and not a directory (namei FILE shows which)",
	syscall.ENOLCK:       "that file system gives no locks: name a file on a local disk",
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
