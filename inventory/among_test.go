package inventory

import (
	"slices"
	"testing"
)

// Among leaves nothing of the other hosts: neither their names nor groups and labels that
// only they have.
func TestAmong(t *testing.T) {
	inv := load(t, "groups:\n  web: {hosts: [web1, web2]}\n  db: {hosts: [db1]}\nhosts:\n  db1: {labels: {dc: mad}}\n  web1: {labels: {dc: bcn}}\n")
	some := inv.Among(func(host string) bool { return host != "db1" && host != "web2" })
	for text, want := range map[string]string{
		"all": "web1", "web": "web1", "web1": "web1", "dc=bcn": "web1", "w*": "web1", "~^w": "web1",
		"web2": "", "web[1-2]": "", "db1": "", "db": "", "dc=mad": "", "d*": "", "~d": "", "web,!db1": "", "web,!nowhere": "", "web,&db": "",
	} {
		sel, err := ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := some.Select(t.Context(), sel, SelectOptions{})
		if want == "" && err == nil || want != "" && (err != nil || len(got.Hosts) != 1 || got.Hosts[0].Name != want) {
			t.Errorf("%s: got %v, %v, want %q", text, got.Hosts, err, want)
		}
	}
	if groups, labels := some.Groups(), some.Labels(); !slices.Equal(groups, []string{"web"}) || !slices.Equal(labels, []string{"dc=bcn"}) {
		t.Errorf("got the groups %v and the labels %v", groups, labels)
	}
	if len(inv.Hosts()) != 3 {
		t.Errorf("it has changed: %v", inv.Hosts())
	}
}
