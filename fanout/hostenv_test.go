package fanout

import "testing"

// TestHostVariables: names of labels become names that every shell accepts.
func TestHostVariables(t *testing.T) {
	a := Attempt{RunID: 142, N: 2, Targets: 20, Target: Target{Index: 3, Name: "web04.fra", Labels: map[string]string{"rôle-1.x": "front", "dc": "fra"}}}
	want := []Variable{
		{Name: "TUTTI_HOST", Value: "web04.fra"},
		{Name: "TUTTI_ADDRESS", Value: "192.0.2.4"},
		{Name: "TUTTI_USER", Value: "deploy"},
		{Name: "TUTTI_INDEX", Value: "3"},
		{Name: "TUTTI_HOSTS", Value: "20"},
		{Name: "TUTTI_RUN", Value: "142"},
		{Name: "TUTTI_ATTEMPT", Value: "2"},
		{Name: "TUTTI_LABEL_DC", Value: "fra"},
		{Name: "TUTTI_LABEL_R_LE_1_X", Value: "front"},
	}
	got := a.HostVariables("192.0.2.4", "deploy")
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i, v := range got {
		if v.Name != want[i].Name || v.Value != want[i].Value {
			t.Errorf("got %s=%s, want %s=%s", v.Name, v.Value, want[i].Name, want[i].Value)
		}
		if !IsVariableName(v.Name) {
			t.Errorf("no shell accepts the name %s", v.Name)
		}
	}
}
