package cli

import (
	"tutti/access"
	"tutti/client"
	"tutti/internal/fault"
	"tutti/internal/filekind"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/runner"
	"tutti/ssh"
	"tutti/store"
)

// Wording spells errors for the command line: keys as flags, advice as commands.
var Wording = fault.Wording{
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
		runner.AdviceNoMatch:       "the inventory is %s; tutti hosts lists it",
		runner.AdviceNoInventory:   "name one with -i FILE, or hosts with -w HOSTS; to try tutti without hosts: tutti demo",
		runner.AdviceNoUser:        "name the remote user with -l/--user",
		runner.AdviceHostsLeft:     "--yes runs the others",
		runner.AdviceScriptGone:    "tutti script run:%d FILE runs a script on its hosts",
		runner.AdviceScriptChanged: "tutti script run:%d %s runs it as it is now",

		store.AdviceNotExist:    "the first run creates it; if the runs are elsewhere, name the file with --history",
		store.AdviceIsDirectory: "--history takes a file, such as history.db in that directory",
		store.AdviceNotHistory:  "name another file with --history; this one was not changed",
		store.AdviceNewer:       "update tutti, or name another file with --history",
		store.AdviceOlder:       "open it once as a user who can write it",
		store.AdviceReadOnly:    "make the file and its directory writable, or name another file with --history",
		store.AdviceUnreadable:  "make the file and its directory readable, or name another file with --history",
		store.AdviceNotOwned:    "run as the owner (sudo -u), or name another file with --history; history, show and diff can read it",
		store.AdviceUnsafe:      "check its owner with ls -ld, then remove it, or chmod go-w it; or name another file with --history",
		store.AdviceFull:        "free some space, or delete old runs with `tutti history prune`",
		store.AdviceMoved:       "move it back, or restart the process that has it open",
		store.AdviceDamaged:     "move the file away to start a new one; `sqlite3 FILE .recover` may save its runs",
		store.AdviceBusy:        "find the program with an open transaction in it, and try again",
		store.AdviceLibrary:     "build without the libsqlite3 tag, to use the SQLite bundled with tutti",

		store.AdviceUnreachable: "check the host and the port of --history, and whether PostgreSQL listens there",
		store.AdviceTLS:         "the address takes sslmode and sslrootcert as PostgreSQL's own programs do",
		store.AdviceLogin:       "check the user of --history, its password in ~/.pgpass, and the server's pg_hba.conf",
		store.AdviceNoDatabase:  "create it: createdb -h HOST NAME",
		store.AdviceStandby:     "name the primary, or all servers, as in postgres://USER@db1,db2/DATABASE; history, show and diff can read a standby",
		store.AdviceVolatile:    "set synchronous_commit to on: a lost start would be made again",

		store.AdviceNoRuns:        "the history is empty",
		store.AdviceNoRun:         "the newest run is %d; `tutti history` lists them",
		store.AdviceRef:           "want a number such as 142, last, or last~1 for the one before",
		store.AdviceJobExists:     "change it with `tutti job edit %s`, or choose another name",
		store.AdviceJobChanged:    "see `tutti job show %s`, and try again",
		store.AdviceNoJob:         "`tutti job list` lists the jobs",
		store.AdviceRunEnded:      "see `tutti show %d`",
		store.AdviceKillElsewhere: "`tutti kill %d` stops it",
		store.AdviceNearJob:       "did you mean %s? `tutti job list` lists the jobs",

		access.AdviceRole:        "that takes the role %s; an admin can give it",
		access.AdviceScope:       "an admin can widen the scope",
		access.AdviceJobs:        "the token is for some jobs only, as they are",
		access.AdviceNoUser:      "`tutti user list` lists the users",
		access.AdviceNoToken:     "`tutti token list` lists the tokens",
		access.AdviceNear:        "did you mean %s? `tutti %s list` lists them",
		access.AdviceUserExists:  "`tutti user role %s ROLE` changes it; tutti user passwd sets its password",
		access.AdviceTokenExists: "choose another name, or remove it first: `tutti token rm %s`",
		access.AdviceLastAdmin:   "make another user admin first: `tutti user role NAME admin`",

		client.AdviceLogin:       "tutti login %s",
		client.AdviceSocket:      "no daemon answers there; tutti serve starts one",
		client.AdviceRefused:     "check the port, and that tutti serve --listen runs there",
		client.AdviceSocketRight: "ask as the user of the daemon, or have tutti serve --socket-group let you in",
		client.AdviceName:        "check the name of the server",
		client.AdviceUnreachable: "check the address, and whether a firewall or a proxy is in the way",
		client.AdviceAuthority:   "if its certificate is signed by an authority of yours, name that: --server-ca FILE",
		client.AdviceCertName:    "use the name that is in the certificate, or give the server one for this name",
		client.AdviceCertDates:   "renew the certificate of the server; or set the clock of this machine",
		client.AdviceNoTLS:       "the server does not speak TLS: write http:// if it is on this machine",
		client.AdviceNotTutti:    "check the address; a server started with tutti serve --listen answers as one",
		client.AdviceOther:       "if that is your server, name it: --server %s",
		client.AdviceVersions:    "the server is version %s, this program is version %s",
		client.AdvicePlain:       "use https://; --insecure-http does without",
		client.AdviceOpenFile:    "chmod 600 %s",

		filekind.AdviceIdentity: "log in with a key: --identity FILE",
		filekind.AdviceHistory:  "name a history with --history FILE",

		inventory.AdviceUnusable:  "exclude the unusable hosts: -x %s",
		inventory.AdviceJobsFile:  "use tutti job apply -f",
		inventory.AdviceUntrusted: "to use it anyway, name it with -i",
		sshconfig.AdviceUntrusted: "-F none ignores ssh_config; -F FILE uses another file",

		ssh.AdviceNoKeyFile: "name a private key with --identity, or create one with ssh-keygen",
		ssh.AdviceTooLong:   "send large data with --stdin or a script",
	},
}

// shortFlags are the short names of the keys that errors speak of.
var shortFlags = map[fault.Key]string{
	"inventory": "-i", "hosts": "-w", "exclude": "-x", "env": "-e", "jump": "-J", "ssh-config": "-F", "recursive": "-r",
}

// longOnly are those of them that are known by their long names.
var longOnly = map[fault.Key]bool{"ssh-config": true}
