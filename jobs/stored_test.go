package jobs

import (
	"encoding/json"
	"testing"

	"tutti/api"
	"tutti/scheduler"
	"tutti/store"
)

// A job made of a JSON form shows the same as the job that the form was made of.
func TestDetailsThatArrive(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	if _, _, err := r.RunNow(t.Context(), "sweep", "ann"); err != nil {
		t.Fatal(err)
	}
	d, err := r.Show(t.Context(), "sweep")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Details){
		func(*Details) {},
		func(d *Details) {
			d.Last = &store.FiringRow{ID: 9, Decision: scheduler.Skipped, Reason: "paused"}
		},
	} {
		change(d)
		form, err := d.Form()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(form)
		if err != nil {
			t.Fatal(err)
		}
		var arrived api.JobDetails
		if err := json.Unmarshal(data, &arrived); err != nil {
			t.Fatal(err)
		}
		got, err := DetailsOf(&arrived)
		if err != nil {
			t.Fatal(err)
		}
		again, err := got.Form()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(again); err != nil || string(text) != string(data) {
			t.Errorf("got  %s, %v\nwant %s", text, err, data)
		}
		if zone := got.Next.At.Location().String(); zone != got.Zone {
			t.Errorf("the next firing is in %s, want %s", zone, got.Zone)
		}
		if got.Ran == nil || d.Ran == nil || got.Ran.ID != d.Ran.ID {
			t.Errorf("got %+v as the last that was run", got.Ran)
		}
	}
}
