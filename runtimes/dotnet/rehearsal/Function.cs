using System.Diagnostics;
using System.IO;

namespace Rehearsal
{
    /// <summary>
    /// The function that a stem is before it is one: in an assembly of its own, as they all are,
    /// with an attribute to be looked through.
    /// </summary>
    public class Function
    {
        [DebuggerStepThrough]
        public Stream Handle(Stream input)
        {
            return input;
        }
    }
}
