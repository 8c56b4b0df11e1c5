using Amazon.Lambda.PowerShellHost;

namespace Fn
{
    /// <summary>What AWS's tools generate for a script.</summary>
    public class Bootstrap : PowerShellFunctionHost
    {
        public Bootstrap() : base("Script.ps1")
        {
        }
    }
}
