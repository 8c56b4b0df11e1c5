# frozen_string_literal: true

# The Ruby runtime: what /var/lang/bin/ruby starts in an instance.
#
# It starts in one of two ways. As a stem (WICK_STEM is the number of an inherited
# socket) it loads all it needs, asks the Runtime API which function it is to be, and
# becomes it. Otherwise its environment is the function's from the start and
# AWS_LAMBDA_RUNTIME_API says where the API is. From there on both are the same.

require_relative 'wick_runtime/runtime'

WickRuntime::Runtime.main
