package cmd

import (
	"tutti/internal/fault"
	"tutti/internal/filekind"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/runner"
	"tutti/ssh"
	"tutti/store"
)

// wording is how errors are put for who types commands: keys are flags, and ways out
// are commands.
var wording = fault.Wording{
	Key: func(k fault.Key) string {
		if short := shortFlags[k]; short != "" && !longOnly[k] {
			return short + "/--" + string(k)
		}
		return "--" + string(k)
	},
	Short: func(s fault.Short) string {
		if short := shortFlags[fault.Key(s)]; short != "" {
			return short
		}
		return "--" + string(s)
	},
	Command: func(c fault.Command) string { return "tutti " + string(c) },
	Advice: map[string]string{
		runner.AdviceNoMatch:       "the inventory is %s; tutti hosts lists what is in it",
		runner.AdviceNoInventory:   "name one with -i FILE, or take hosts as they are with -w HOSTS; tutti demo needs neither",
		runner.AdviceNoUser:        "name the remote user with -l/--user",
		runner.AdviceHostsLeft:     "--yes runs the rest",
		runner.AdviceScriptGone:    "tutti script run:%d FILE runs another on its hosts",
		runner.AdviceScriptChanged: "tutti script run:%d %s runs it as it is now",

		store.AdviceNotExist:    "a run records itself; name another file with --history if the runs are elsewhere",
		store.AdviceIsDirectory: "--history takes a file, such as history.db in that directory",
		store.AdviceNotHistory:  "name another file with --history; nothing was changed in this one",
		store.AdviceNewer:       "update tutti, or name another file with --history",
		store.AdviceOlder:       "open it once with an account that may write it",
		store.AdviceReadOnly:    "make the file and its directory writable, or name another file with --history",
		store.AdviceUnreadable:  "make the file and its directory readable, or name another file with --history",
		store.AdviceNotOwned:    "run it as the owner (sudo -u), or name another file with --history; history, show and diff read it",
		store.AdviceUnsafe:      "see who made it with ls -ld; then remove it, or chmod go-w; or name another file with --history",
		store.AdviceFull:        "free some space, or delete old runs with `tutti history prune`",
		store.AdviceMoved:       "move it back to where it was, or restart what keeps it open",
		store.AdviceDamaged:     "move the file away to begin a new one; `sqlite3 FILE .recover` may save the runs in it",
		store.AdviceBusy:        "see which program has an open transaction in it, and try again",
		store.AdviceLibrary:     "build without the libsqlite3 tag, so that the SQLite that comes with tutti is used",

		store.AdviceNoRuns:        "the history is empty",
		store.AdviceNoRun:         "the newest run is %d; `tutti history` lists them",
		store.AdviceRef:           "want a number such as 142, last, or last~1 for the one before",
		store.AdviceJobExists:     "change it with `tutti job edit %s`, or choose another name",
		store.AdviceJobChanged:    "see `tutti job show %s`, and try again",
		store.AdviceNoJob:         "`tutti job list` lists the jobs",
		store.AdviceRunEnded:      "see `tutti show %d`",
		store.AdviceKillElsewhere: "`tutti kill %d` stops it",
		store.AdviceNearJob:       "did you mean %s? `tutti job list` lists the jobs",

		filekind.AdviceIdentity: "--identity FILE logs in with a key",
		filekind.AdviceHistory:  "--history FILE names a history",

		inventory.AdviceRefused:   "leave out what cannot be used: -x %s",
		inventory.AdviceJobsFile:  "tutti job apply -f reads it",
		sshconfig.AdviceUntrusted: "-F none does without ssh_config, -F FILE uses the file that is named",

		ssh.AdviceNoKeyFile: "name a private key with --identity, or create one with ssh-keygen",
		ssh.AdviceTooLong:   "send what is large as --stdin or as a script",
	},
}

// shortFlags are the short names of the keys that errors speak of.
var shortFlags = map[fault.Key]string{
	"inventory": "-i", "hosts": "-w", "exclude": "-x", "env": "-e", "jump": "-J", "ssh-config": "-F",
}

// longOnly are those of them that are known by their long names.
var longOnly = map[fault.Key]bool{"ssh-config": true}
