// Command bench measures tutti against its limit and against its peers, on this
// machine. It is a module of its own, so that what draws its charts is not among
// what the program needs; in its directory:
//
//	go run .                 # everything, which takes a quarter of an hour
//	go run . -quick -force   # seconds: whether the harness works
//	go run . -only 3,5.1     # the memory, and one line of the bulk
//
// It builds tutti from the tree it stands in, starts a fleet of canned hosts on
// loopback in a process of its own (internal/fleet), and runs tutti, a bare client and
// the peers against it in turn. The bare client is a few lines around x/crypto/ssh
// (bare.go): log in, run, pass the output on, and nothing else; it checks no host keys
// and remembers nothing. What it takes is the floor that a program can reach with this
// library. The peers are pdsh, clush, pssh and Ansible's raw module, those that are
// installed; -install gets them from Debian, -peers none leaves them out.
//
// Lines 5.5 to 5.12 move 1 GB from the real sshd, whose packets are full as those of
// the fleet are not always: by cat, dd, tar and yes, from one host and from ten,
// compared with as many ssh at once whose output is thrown away, as that of tutti is. The ten
// are one server under ten names. They need 1 GB in the directory for temporary files.
//
// Lines 10.4 to 10.6 have a daemon, whose clients are in a process of their own. The run that
// they follow is one that leaves the processors time: where they are busy anyway, each
// client takes its time from the run.
//
// # What is measured
//
// Each line has a bar. Most bars are ratios of two programs that ran in turn, in
// the same minutes and against the same fleet, so that they hold on a slow machine
// as on a fast one; those in MiB, KiB or milliseconds are absolute. A number is the
// median of -repeat runs. Wall is from the start of a process to its end. CPU is
// user and system time of the process and of all its descendants. RSS is the peak
// of the largest process among them: for peers that start an ssh for each host it
// says little, for tutti everything. The fleet's own time is on none of the
// accounts, but it shares the processors, which is why ratios of wall are
// kinder than the truth, and those of CPU are not.
//
// # Quiet
//
// Before the first and after the last line a spin of known work runs on every
// processor. If it takes much longer than the time it was given on the processor, or
// the load average is high, other work is going on here: bench then refuses to compare,
// or to publish what it has, unless -force says that numbers which mean nothing are
// good enough.
//
// # Results
//
// All lines are printed as they are known. A whole run writes RESULTS.md and its charts
// next to this file, or to -out; one with -quick, -hosts, -only or -force does only if
// -out names a directory. Ended with Ctrl-C it leaves nothing behind.
package main
