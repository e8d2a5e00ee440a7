package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// problem is the body of an error, and the error. Which fields are there
// differs from error to error at Replicate, and so it does here.
type problem struct {
	Title      string  `json:"title,omitempty"`
	Detail     string  `json:"detail"`
	Status     int     `json:"status,omitempty"`
	Invalid    []issue `json:"invalid_fields,omitempty"`
	RetryAfter int     `json:"retry_after,omitempty"`

	code  int  // of the answer if Status is left out
	plain bool // application/json, not problem+json
}

// issue is one thing that is wrong with a body.
type issue struct {
	Type        string `json:"type"`
	Field       string `json:"field"`
	Description string `json:"description"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s", max(p.Status, p.code), p.Detail) }

// body ends in a newline, as recorded.
func (p *problem) body() []byte {
	b, _ := json.Marshal(p) // strings and numbers only
	return append(b, '\n')
}

func (p *problem) send(w http.ResponseWriter) {
	t := "application/problem+json"
	if p.plain {
		t = "application/json"
	}
	w.Header().Set("Content-Type", t)
	w.WriteHeader(max(p.Status, p.code))
	w.Write(p.body())
}

var (
	errNoToken  = &problem{Title: "Unauthenticated", Detail: "You did not pass an authentication token", Status: 401}
	errBadToken = &problem{Title: "Unauthenticated", Detail: "You did not pass a valid authentication token", Status: 401}
	errNoCredit = &problem{Title: "Insufficient credit", Status: 402,
		Detail: "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to purchase credit. " +
			"Once you purchase credit, please wait a few minutes before trying again."}
	errNotFound = &problem{Detail: "The requested resource could not be found.", Status: 404} // no title, as recorded
	errNoFile   = &problem{Detail: "File not found", code: 404}
	errNoDest   = &problem{Detail: "The specified training destination does not exist", Status: 404}
	errTooLarge = &problem{Detail: "Files must be less than 100MB in size", Status: 413}
	errVersion  = &problem{Title: "Invalid version or not permitted", Status: 422,
		Detail: "The specified version does not exist (or perhaps you don't have permission to use it?)"}
	errNotJSON = &problem{Title: "Bad request", Detail: "The request body is not a valid JSON object", Status: 400}
)

// invalid is the 422 for a body, or nil if nothing is wrong with it.
func invalid(issues []issue) *problem {
	if len(issues) == 0 {
		return nil
	}
	var b strings.Builder
	for _, i := range issues {
		b.WriteString("- ")
		if i.Field != "" {
			b.WriteString(i.Field + ": ")
		}
		b.WriteString(i.Description + "\n")
	}
	return &problem{Title: "Input validation failed", Detail: b.String(), Status: 422, Invalid: issues}
}

// refused is a 422 about something else than the fields of a body.
func refused(detail string) *problem {
	return &problem{Title: "Unprocessable entity", Detail: detail, Status: 422}
}
