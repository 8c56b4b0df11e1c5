# frozen_string_literal: true

require 'json'

module WickRuntime
  # What is told of an exception: the error object for the invoker and the log, the type
  # for the platform, the cause for X-Ray.
  class Fault
    # Names that the platform is told as they are; of others only that they were the
    # function's.
    PLAIN = %w[
      ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError
    ].freeze
    HERE = File.expand_path('..', __dir__)
    MAX_FRAMES = 100
    MAX_XRAY_FRAMES = 15

    # phase is Function, Init or Runtime.
    def initialize(error, phase)
      @type = "#{phase}<#{error.class}>"
      @plain = PLAIN.include?(error.class.to_s)
      @message = readable(error.message)
      # From our own first line on, a trace is no longer the function's.
      @trace = (error.backtrace_locations || []).first(MAX_FRAMES).take_while do |frame|
        !frame.to_s.start_with?(HERE)
      end
    end

    def error_type
      @plain ? @type : 'Function<UserException>'
    end

    def to_h
      { errorMessage: @message, errorType: @type, stackTrace: @trace.map { |frame| readable(frame.to_s) } }
    end

    # Source: X-Ray segment documents, errors and exceptions.
    def xray_cause
      stack = @trace.first(MAX_XRAY_FRAMES).map do |frame|
        { path: frame.path, line: frame.lineno, label: frame.label }
      end
      JSON.generate(
        working_directory: Dir.pwd, paths: Gem.paths.path,
        exceptions: [{ message: @message, type: @type, stack: stack }]
      )
    end

    private

    # Text that has a JSON form, whatever its encoding.
    def readable(text)
      return if text.nil?

      text = text.to_s
      text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::BINARY
      text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
    end
  end
end
