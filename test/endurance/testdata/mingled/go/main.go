// Command go is the function of TestEachAnswerBelongsToItsRequest with AWS's library for Go.
package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	ID   string `json:"id"`
	What string `json:"what"`
}

func main() {
	lambda.Start(func(e event) (map[string]string, error) {
		fmt.Println("doing", e.ID)
		time.Sleep(rand.N(5 * time.Millisecond)) //nolint:gosec // nobody guesses it
		switch e.What {
		case "fail":
			return nil, errors.New(e.ID)
		case "exit":
			os.Exit(3)
		case "sleep":
			time.Sleep(time.Minute)
		}
		return map[string]string{"id": e.ID}, nil
	})
}
