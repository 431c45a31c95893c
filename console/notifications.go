package console

import (
	"net/http"

	"tutti/access"
	"tutti/api"
)

// A notificationList is the page of messages and callbacks that are not delivered yet.
type notificationList struct {
	Rows []notificationRow
	Next string
}

// A notificationRow is a message.
type notificationRow struct {
	api.PendingNotification
	MayRetry bool
}

func showNotifications(v *visit) {
	p := &notificationList{}
	var list api.List[api.PendingNotification]
	v.get(&list, withQuery("/notifications", chosen(v.r.URL.Query(), "after")))
	for i := range list.Items {
		n := &list.Items[i]
		p.Rows = append(p.Rows, notificationRow{*n, n.Notification > 0 && !n.Delivering && v.mayTo(access.Notify, n.Job)})
	}
	p.Next = nextPage("/notifications", nil, list.Next)
	v.show("notifications", "Notifications", p)
}

// retryNotification has a message delivered now.
func retryNotification(v *visit) {
	act(v, question{method: http.MethodPost, path: at("/notifications/{id}/retry", v.r.PathValue("id"))}, "/notifications")
}
