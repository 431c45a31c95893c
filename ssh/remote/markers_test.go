package remote

import "testing"

// TestMarkersAreStripped cuts what a host says at every place.
func TestMarkersAreStripped(t *testing.T) {
	for cut := range 300 {
		k := newMarkerReader().expect("TAKENTAKEN")
		all := "noise" + string(k.openMarker) + "123;lecture " + string(k.promptMarker[:5]) + string(k.promptMarker) + " again " + string(k.promptMarker) +
			string(k.okMarker) + "more " + string(k.okMarker[:9]) + " TAKEN TAKENTAKENTAKENTAKEN" + string(k.promptMarker) + "end" + string(k.openMarker[:3])
		at := min(cut, len(all))
		got := string(k.Strip([]byte(all[:at]))) + string(k.Strip([]byte(all[at:]))) + string(k.Rest())
		want := "noisemore " + string(k.okMarker[:9]) + " TAKEN TAKENTAKEN" + string(k.promptMarker) + "end" + string(k.openMarker[:3])
		if got != want {
			t.Fatalf("cut at %d: got %q, want %q", at, got, want)
		}
		passed, asked, said := k.SudoState()
		if !passed || asked != 2 || k.Leader() != "123" || said != "lecture "+string(k.promptMarker[:5])+" again " {
			t.Fatalf("cut at %d: got passed %v, asked %d, leader %q, said %q", at, passed, asked, k.Leader(), said)
		}
	}
}
