package api

import (
	"context"
	"iter"
	"net/http"
)

// Trainings have the fields of predictions; their output is an object with the
// version made and the URL of its weights.

// Trainings iterates over the trainings of the account, newest first.
func (c *Client) Trainings(ctx context.Context) iter.Seq2[*Prediction, error] {
	return all(ctx, c, listing[*Prediction]{"list trainings", "/trainings", nil, ParsePrediction})
}

// Training reads one training.
func (c *Client) Training(ctx context.Context, id string) (*Prediction, error) {
	return c.one(ctx, call{op: "read training", path: "/trainings/" + id}, id)
}

// CancelTraining asks for a training to end.
func (c *Client) CancelTraining(ctx context.Context, id string) (*Prediction, error) {
	return c.one(ctx, call{op: "cancel training", method: http.MethodPost, path: "/trainings/" + id + "/cancel"}, id)
}
