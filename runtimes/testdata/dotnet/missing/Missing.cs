namespace Missing
{
    /// <summary>Of an assembly that packages lack.</summary>
    public class Nothing
    {
    }
}
