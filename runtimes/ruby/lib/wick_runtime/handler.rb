# frozen_string_literal: true

require 'json'
require 'stringio'

module AwsLambda
  # How events come in and results go out. A function may replace either method.
  class Marshaller
    class << self
      def marshall_request(raw_request)
        return raw_request.body unless raw_request['Content-Type'] == 'application/json'

        JSON.parse(raw_request.body)
      end

      # Returns JSON, or what to answer as it is and its type.
      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, 'application/unknown']
        else method_response.to_json
        end
      end
    end
  end
end

# The function's method: FILE.METHOD or FILE.CLASS.METHOD. Methods defined at the top of a
# file are found here, as on every object. Its name is in the message of the error about
# a method that is missing.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(env_handler:)
    parts = env_handler.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or " \
                           'FILENAME.CLASS.METHOD where FILENAME corresponds with an existing Ruby source file ' \
                           'FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a callable method. ' \
                           'If using CLASS, METHOD must be a class-level method.'
    end
  end

  # Returns the result as it is answered, and its content type.
  def call_handler(request:, context:)
    result =
      if @handler_class
        Kernel.const_get(@handler_class).send(@handler_method_name, event: request, context: context)
      else
        __send__(@handler_method_name, event: request, context: context)
      end
    body, content_type = AwsLambda::Marshaller.marshall_response(result)
    body = body.read if content_type == 'application/unknown'
    [body.to_s, content_type || 'application/json']
  end
end
