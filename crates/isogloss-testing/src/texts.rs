//! Short texts in scripts that software tends to break.

/// A tag and a greeting in that language, written for these tests: tone marks, marks above and
/// below, right-to-left scripts, scripts without spaces, scripts outside the first code plane.
pub const GREETINGS: [(&str, &str); 10] = [
    ("en", "Good morning, how are you?"),
    ("yo", "Ẹ káàárọ̀, ṣé dáadáa ni?"),
    ("vi", "Chào buổi sáng, bạn khỏe không?"),
    ("am", "እንደምን አደርክ? ሰላም ነው።"),
    ("km", "អរុណសួស្តី តើអ្នកសុខសប្បាយទេ"),
    ("my", "မင်္ဂလာပါ နေကောင်းလား"),
    ("ar", "صباح الخير، كيف حالك؟"),
    ("hi", "सुप्रभात, आप कैसे हैं?"),
    ("nqo", "ߌ ߣߌ߫ ߛߐ߰ߡߊ߬"),
    ("zh", "早上好，你好吗？"),
];
