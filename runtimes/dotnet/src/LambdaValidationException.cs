using System;

namespace Amazon.Lambda.RuntimeSupport.ExceptionHandling
{
    /// <summary>
    /// A mistake in how the function is made. Its name is seen in logs and error objects, and is
    /// the one that AWS's client gives it.
    /// </summary>
    public class LambdaValidationException : Exception
    {
        public LambdaValidationException(string message) : base(message)
        {
        }
    }
}
