// A function that greets.
package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Name string }

type answer struct {
	Message string `json:"message"`
	From    string `json:"from"`
}

func main() {
	lambda.Start(func(_ context.Context, e event) (answer, error) {
		if e.Name == "" {
			e.Name = "world"
		}
		fmt.Println("greeting", e.Name)
		return answer{"Hello, " + e.Name + "!", runtime.Version()}, nil
	})
}
