#include "common/model/chat_template_text.h"

#include <gtest/gtest.h>

namespace conclave::chat {
namespace {

TEST(CanonicalTemplate, DropsLayoutInsideTags) {
  EXPECT_EQ(CanonicalTemplate("{%-  if a  and b -%}"), "{%ifaandb%}");
  EXPECT_EQ(CanonicalTemplate("{{ 'a b' + \"c d\" }}"), "{{'a b'+\"c d\"}}");
  EXPECT_EQ(CanonicalTemplate("{{ 'a\\nb' }}"), "{{'a\nb'}}");
  EXPECT_EQ(CanonicalTemplate("{{ 'it\\'s }} %}' }}"), "{{'it\\'s }} %}'}}");
  EXPECT_EQ(CanonicalTemplate("a{# note {{ x }} #}b"), "ab");
}

// Each text as jinja2 prints it with trim_blocks and lstrip_blocks.
TEST(CanonicalTemplate, KeepsTheTextThatWouldBePrinted) {
  EXPECT_EQ(CanonicalTemplate("{% if a %}\n  x\n{% endif %}\n"), "{%ifa%}  x\n{%endif%}");
  EXPECT_EQ(CanonicalTemplate("{% if a %}  {% endif %}"), "{%ifa%}  {%endif%}");
  EXPECT_EQ(CanonicalTemplate("{% if a %}\n  {% endif %}"), "{%ifa%}{%endif%}");
  EXPECT_EQ(CanonicalTemplate("  {% if a %}"), "{%ifa%}");
  EXPECT_EQ(CanonicalTemplate("  {{ a }}"), "  {{a}}");
  EXPECT_EQ(CanonicalTemplate("{{ a }}\n{{ b }}"), "{{a}}\n{{b}}");
  EXPECT_EQ(CanonicalTemplate("{{ a -}}\n \n{{ b }}"), "{{a}}{{b}}");
  EXPECT_EQ(CanonicalTemplate("{{ a }}\n \n{{- b }}"), "{{a}}{{b}}");
  EXPECT_EQ(CanonicalTemplate("{{ a }}\n\n"), "{{a}}\n");
  EXPECT_EQ(CanonicalTemplate("no tags { } % }"), "no tags { } % }");
  EXPECT_EQ(CanonicalTemplate("{{ never closed"), "{{ never closed");
}

TEST(CanonicalTemplate, KnowsTextOutsideTags) {
  EXPECT_FALSE(PrintsOutsideTags(""));
  EXPECT_FALSE(PrintsOutsideTags("{%ifa%}{{'x y}}'}}{%endif%}"));
  EXPECT_TRUE(PrintsOutsideTags("{%ifa%} {{x}}"));
  EXPECT_TRUE(PrintsOutsideTags("{{x}}\n"));
}

TEST(ParseSum, TakesLiteralsContentAndTokens) {
  auto terms = ParseSum("'User: '+message['content']+eos_token+\"\n\"+bos_token");
  ASSERT_TRUE(terms.has_value());
  ASSERT_EQ(terms->size(), 5u);
  EXPECT_EQ((*terms)[0].literal, "User: ");
  EXPECT_EQ((*terms)[1].kind, Term::Kind::kContent);
  EXPECT_EQ((*terms)[2].kind, Term::Kind::kEos);
  EXPECT_EQ((*terms)[3].literal, "\n");
  EXPECT_EQ((*terms)[4].kind, Term::Kind::kBos);
  for (const char* bad : {"", "'a'+", "'a", "x", "'a'|trim", "'a\\t'", "message['content']|trim"}) {
    EXPECT_FALSE(ParseSum(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace conclave::chat
