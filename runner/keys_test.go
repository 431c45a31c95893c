package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tutti/internal/fault"
)

// samples are texts for each key, as Get writes them.
var samples = map[string][]string{
	"inventory":         {"/etc/a.yaml", "/etc/b.yaml"},
	"hosts":             {"web[1-3],db1:2222"},
	"only":              {"dc=fra", "role=web,primary"},
	"exclude":           {"web9", "web8,web7"},
	"limit":             {"5"},
	"pick":              {"3"},
	"env":               {"STAGE=prod", "TOKEN", "LIST=a,b"},
	"host-env":          {"true"},
	"dir":               {"/srv"},
	"stdin":             {"/srv/in.txt"},
	"sudo":              {"www"},
	"ask-sudo-pass":     {"true"},
	"sudo-pass-command": {"pass sudo"},
	"pty":               {"true"},
	"fanout":            {"20"},
	"connect-timeout":   {"5s"},
	"deadline":          {"1h"},
	"retries":           {"2"},
	"retry-delay":       {"3s"},
	"timeout":           {"2m"},
	"retry-on":          {"lost,failed"},
	"kill-after":        {"4s"},
	"drain":             {"0"},
	"batch":             {"1,10%"},
	"pause":             {"1m"},
	"max-fail":          {"25%"},
	"user":              {"deploy"},
	"port":              {"2222"},
	"identity":          {"/k/one", "/k/two"},
	"host-keys":         {"accept-new"},
	"jump":              {"ops@bastion,second"},
	"ssh-config":        {"/etc/ssh/other"},
	"ask-pass":          {"true"},
	"known-hosts":       {"/k/known"},
	"persist":           {"10m"},
	"persist-max":       {"100"},
	"history":           {"/var/h.db"},
	"no-history":        {"true"},
	"note":              {"nightly, once"},
	"run-id-file":       {"/tmp/id"},
	"record-limit":      {"1MiB"},
}

func set(t *testing.T, r *Request, name string, texts []string) {
	t.Helper()
	for _, text := range texts {
		if err := r.Set(name, text); err != nil {
			t.Fatalf("%s: %q: %v", name, text, err)
		}
	}
}

// Each key is read and written without loss, alone and in a request that has
// them all: no two keys share a place.
func TestEachKeyIsReadAsItIsWritten(t *testing.T) {
	all := NewRequest()
	for _, k := range Keys() {
		texts, ok := samples[k.Name]
		if !ok {
			t.Errorf("%s has no sample", k.Name)
			continue
		}
		set(t, &all, k.Name, texts)
		one := NewRequest()
		if one.Given(k.Name) {
			t.Errorf("%s is given before it is set", k.Name)
		}
		set(t, &one, k.Name, texts)
		again := NewRequest()
		set(t, &again, k.Name, one.Get(k.Name))
		if !one.Given(k.Name) || !reflect.DeepEqual(one, again) {
			t.Errorf("%s: got %+v, want %+v", k.Name, again, one)
		}
	}
	for name, texts := range samples {
		if got := all.Get(name); !slices.Equal(got, texts) {
			t.Errorf("%s: got %q, want %q", name, got, texts)
		}
	}
	if len(samples) != len(Keys()) {
		t.Errorf("%d samples for %d keys", len(samples), len(Keys()))
	}
}

// What a request that says nothing has for a key can be set as well.
func TestDefaultsCanBeWritten(t *testing.T) {
	for _, k := range Keys() {
		r := NewRequest()
		before := r.Get(k.Name)
		for _, text := range before {
			if text != "" {
				set(t, &r, k.Name, []string{text})
			}
		}
		if got := r.Get(k.Name); !slices.Equal(got, before) {
			t.Errorf("%s: got %q, want %q", k.Name, got, before)
		}
	}
	r := NewRequest()
	set(t, &r, "record-limit", []string{"0"})
	if got := r.Get("record-limit"); got[0] != "0" || r.Record.StoreLimit() != -1 {
		t.Errorf("record-limit 0: got %q and %d", got, r.Record.StoreLimit())
	}
}

func TestBadTextsAreRefused(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"fanout", "many", `"many" is not a number`},
		{"limit", "1.5", `"1.5" is not a number`},
		{"pick", "", `"" is not a number`},
		{"retries", "99999999999999999999", `is not a number`},
		{"port", "ssh", `"ssh" is not a number`},
		{"pty", "maybe", "invalid syntax"},
		{"ask-pass", "yes", "invalid syntax"},
		{"timeout", "soon", "want a duration"},
		{"timeout", "5", "5 has no unit"},
		{"connect-timeout", "-1s", "must not be negative"},
		{"deadline", "", "want a duration"},
		{"retry-delay", "1x", "want a duration"},
		{"kill-after", "1x", "want a duration"},
		{"drain", "1x", "want a duration"},
		{"pause", "1x", "want a duration"},
		{"retry-on", "ok", "want one or more of unreachable,lost,timeout,failed"},
		{"retry-on", "lots", "want one or more of unreachable,lost,timeout,failed"},
		{"batch", "x", "x"},
		{"max-fail", "101%", "101%"},
		{"host-keys", "lax", `"lax": want one of strict, accept-new, off`},
		{"ssh-config", "", "missing path; none reads no file"},
		{"record-limit", "big", "big"},
		{"colour", "red", "unknown key colour"},
	} {
		r := NewRequest()
		err := r.Set(test.name, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%s: got %v, want %q", test.name, test.text, err, test.want)
		}
		if r.Given(test.name) {
			t.Errorf("%s=%s: it is given though it was refused", test.name, test.text)
		}
	}
}

// asFlags spells keys as a command line does.
var asFlags = fault.Wording{
	Key: func(k fault.Key) string {
		if short := map[fault.Key]string{"hosts": "-w/", "inventory": "-i/", "jump": "-J/", "env": "-e/"}[k]; short != "" {
			return short + "--" + string(k)
		}
		return "--" + string(k)
	},
	Short: func(s fault.Short) string { return "-" + string(s[:1]) },
}

func TestRequestsThatDoNotFitAreRefused(t *testing.T) {
	for _, test := range []struct {
		given []string
		want  string
	}{
		{[]string{"limit=0"}, "--limit 0: must be 1 or more"},
		{[]string{"pick=-1"}, "--pick -1: must be 1 or more"},
		{[]string{"limit=1", "pick=1"}, "--limit and --pick cannot be combined"},
		{[]string{"hosts=a", "inventory=/b"}, "-w/--hosts and -i/--inventory cannot be combined: -w/--hosts uses no inventory"},
		{[]string{"hosts="}, "-w/--hosts: missing host"},
		{[]string{"dir="}, "--dir: empty value"},
		{[]string{"stdin="}, "--stdin: empty value"},
		{[]string{"sudo="}, "--sudo: empty value"},
		{[]string{"sudo=root", "sudo-pass-command="}, "--sudo-pass-command: empty value"},
		{[]string{"sudo=root", "sudo-pass-command=x", "ask-sudo-pass=true"}, "--ask-sudo-pass and --sudo-pass-command cannot be combined"},
		{[]string{"ask-sudo-pass=true"}, "a sudo password needs --sudo"},
		{[]string{"pty=true", "stdin=/x"}, "--pty and --stdin cannot be combined"},
		{[]string{"fanout=0"}, "--fanout 0: must be 1 or more"},
		{[]string{"retries=-1"}, "--retries -1: must be 0 or more"},
		{[]string{"batch=0,1"}, "--batch 0: a batch needs at least one host"},
		{[]string{"max-fail=1,2"}, "--max-fail: want one number, got 2"},
		{[]string{"pause=1s"}, "--pause needs more than one batch"},
		{[]string{"port=0"}, "--port 0: want 1 to 65535"},
		{[]string{"user="}, "--user: "},
		{[]string{"jump=,"}, "-J/--jump: "},
		{[]string{"no-history=true", "note=x"}, "--no-history records nothing: remove --note and --record-limit"},
		{[]string{"no-history=true", "run-id-file=/x"}, "--no-history gives the run no number: remove --run-id-file"},
		{[]string{"run-id-file="}, "--run-id-file: missing file"},
	} {
		r := NewRequest()
		for _, g := range test.given {
			name, text, _ := strings.Cut(g, "=")
			set(t, &r, name, []string{text})
		}
		if err := r.Check(); err == nil || !strings.Contains(asFlags.Text(err), test.want) {
			t.Errorf("%q: got %v, want %q", test.given, err, test.want)
		}
	}
	r := NewRequest()
	if err := r.Check(); err != nil {
		t.Errorf("nothing given: %v", err)
	}
}

// What a job keeps of a request makes the same request again, but for what a job
// cannot have.
func TestJobOptionsMakeTheSameRequest(t *testing.T) {
	for _, k := range Keys() {
		r := NewRequest()
		set(t, &r, k.Name, samples[k.Name])
		kept := r.JobOptions()
		switch texts, ok := kept[k.Option()]; {
		case k.NotInJobs != nil:
			if err := CheckJobOption(k.Option(), texts); !errors.Is(err, k.NotInJobs) {
				t.Errorf("%s: got %v, want %q", k.Name, err, k.NotInJobs)
			}
		case !k.IsFor(ForJob):
			if ok {
				t.Errorf("%s is kept as an option, %q", k.Name, texts)
			}
			if err := CheckJobOption(k.Option(), samples[k.Name]); fmt.Sprint(err) != "unknown job option" {
				t.Errorf("%s: got %v", k.Name, err)
			}
		case !slices.Equal(texts, samples[k.Name]):
			t.Errorf("%s: got %q, want %q", k.Name, texts, samples[k.Name])
		default:
			again := NewRequest()
			if err := again.setJobOption(k.Option(), texts); err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%s: got %+v, %v, want %+v", k.Name, again, err, r)
			}
		}
	}
}

// A rerun is given what its run was given, but for what is given now.
func TestRepeatMakesTheSameRequest(t *testing.T) {
	for _, k := range Keys() {
		r := NewRequest()
		set(t, &r, k.Name, samples[k.Name])
		repeated := r.Repeated()
		if _, ok := repeated[k.Name]; ok != k.IsFor(ForRerun) {
			t.Errorf("%s: repeated %t, want %t", k.Name, ok, k.IsFor(ForRerun))
		}
		if !k.IsFor(ForRerun) {
			continue
		}
		again := NewRequest()
		if err := again.Repeat(7, repeated); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%s: got %+v, %v, want %+v", k.Name, again, err, r)
		}
	}
}

func TestRepeatGivesWayToWhatIsGivenNow(t *testing.T) {
	for _, test := range []struct {
		now   []string
		given map[string][]string
		name  string
		want  []string
	}{
		{[]string{"timeout=1m"}, map[string][]string{"timeout": {"2m"}}, "timeout", []string{"1m"}},
		{[]string{"identity=/new"}, map[string][]string{"identity": {"/old"}}, "identity", []string{"/new"}},
		{[]string{"env=A=new"}, map[string][]string{"env": {"A=old", "B=old"}}, "env", []string{"A=old", "B=old", "A=new"}},
		{[]string{"pty=true"}, map[string][]string{"stdin": {"/x"}}, "stdin", []string{""}},
		{[]string{"sudo-pass-command=x"}, map[string][]string{"ask-sudo-pass": {"true"}}, "ask-sudo-pass", []string{"false"}},
		{[]string{"inventory=/x"}, map[string][]string{"hosts": {"a,b"}}, "hosts", []string{""}},
	} {
		r := NewRequest()
		for _, g := range test.now {
			name, text, _ := strings.Cut(g, "=")
			set(t, &r, name, []string{text})
		}
		if err := r.Repeat(7, test.given); err != nil {
			t.Errorf("%q: %v", test.now, err)
		}
		if got := r.Get(test.name); !slices.Equal(got, test.want) {
			t.Errorf("%q after %q: got %q, want %q", test.given, test.now, got, test.want)
		}
	}
	for want, given := range map[string]map[string][]string{
		"run 7 read standard input, which cannot be read again": {"stdin": {"-"}},
		"run 7 had --timeout=soon: ":                            {"timeout": {"soon"}},
		"run 7 had --colour=red: unknown key colour":            {"colour": {"red"}},
	} {
		r := NewRequest()
		if err := r.Repeat(7, given); err == nil || !strings.Contains(asFlags.Text(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Files are found from everywhere by what is kept of them; nothing else is made a
// path.
func TestPathsThatAreKeptAreAbsolute(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRequest()
	set(t, &r, "identity", []string{"one", "/k/two"})
	set(t, &r, "stdin", []string{"-"})
	set(t, &r, "ssh-config", []string{"none"})
	set(t, &r, "dir", []string{"srv"})
	got := r.Repeated()
	want := map[string][]string{"identity": {filepath.Join(here, "one"), "/k/two"}, "stdin": {"-"}, "ssh-config": {"none"}, "dir": {"srv"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What acts on the machine of this process is known as such: a new key has to be
// thought about.
func TestLocalKeys(t *testing.T) {
	var local []string
	for _, k := range Keys() {
		if k.File && !k.Local(samples[k.Name][0]) {
			t.Errorf("%s is a file of this machine and not local", k.Name)
		}
		if k.Local(samples[k.Name][0]) {
			local = append(local, k.Name)
		}
	}
	want := []string{
		"inventory", "hosts", "stdin", "ask-sudo-pass", "sudo-pass-command", "port", "identity", "host-keys", "jump", "ssh-config",
		"ask-pass", "persist", "persist-max", "known-hosts", "history", "no-history", "run-id-file",
	}
	if !slices.Equal(local, want) {
		t.Errorf("got %q, want %q", local, want)
	}
	if env, _ := KeyNamed("env"); env.Local("STAGE=prod") || !env.Local("TOKEN") {
		t.Error("a variable is local if its value is this process's")
	}
	for _, name := range []string{"only", "exclude"} {
		if k, _ := KeyNamed(name); k.Local("web,db1") || !k.Local("@/etc/passwd") || !k.Local("web1,@hosts.txt") {
			t.Errorf("%s is local if it names a file", name)
		}
	}
}
