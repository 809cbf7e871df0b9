/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As much of JSON Schema (2020-12) as docs/ uses. Behind cmocka.h. */
#ifndef TESTS_SCHEMA_H
#define TESTS_SCHEMA_H

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

/* Of one line; frees it. */
static inline json_t *schema_document(char *text)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(o);
	assert_null(strchr(text, '\n'));
	free(text);
	return o;
}

static inline bool schema_type_is(const json_t *value, const char *type)
{
	return strcmp(type, "object") == 0 ? json_is_object(value) :
	       strcmp(type, "array") == 0 ? json_is_array(value) :
	       strcmp(type, "string") == 0 ? json_is_string(value) :
	       strcmp(type, "integer") == 0 ? json_is_integer(value) :
	       strcmp(type, "number") == 0 ? json_is_number(value) :
	       strcmp(type, "boolean") == 0 ? json_is_boolean(value) :
	       strcmp(type, "null") == 0 ? json_is_null(value) : false;
}

static inline bool schema_lists(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static inline bool schema_type_fits(const json_t *type, const json_t *value)
{
	if (json_is_string(type))
		return schema_type_is(value, json_string_value(type));
	for (size_t i = 0; i < json_array_size(type); i++)
		if (schema_type_is(value, json_string_value(json_array_get(type, i))))
			return true;
	return !type;
}

static inline bool schema_fits(json_t *schema, json_t *value, const char *name);

static inline json_t *schema_load(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	json_t *s;

	snprintf(path, sizeof(path), "%s/docs/%s", top ? top : ".", name);
	s = json_load_file(path, 0, NULL);
	assert_non_null(s);
	return s;
}

/* "$ref" to a file beside it, and "anyOf". */
static inline bool schema_others_fit(json_t *schema, json_t *value, const char *name)
{
	json_t *ref = json_object_get(schema, "$ref"), *any = json_object_get(schema, "anyOf");
	bool fit = !any;

	if (ref) {
		json_t *other = schema_load(json_string_value(ref));
		bool other_fits = schema_fits(other, value, name);

		json_decref(other);
		if (!other_fits)
			return false;
	}
	for (size_t i = 0; !fit && i < json_array_size(any); i++)
		fit = schema_fits(json_array_get(any, i), value, name);
	return fit;
}

static inline bool schema_text_fits(json_t *schema, const json_t *value)
{
	json_t *pattern = json_object_get(schema, "pattern");
	regex_t compiled;
	bool fit;

	if (!pattern || !json_is_string(value))
		return true;
	assert_int_equal(regcomp(&compiled, json_string_value(pattern), REG_EXTENDED), 0);
	fit = regexec(&compiled, json_string_value(value), 0, NULL, 0) == 0;
	regfree(&compiled);
	return fit;
}

static inline bool schema_members_fit(json_t *schema, json_t *value)
{
	json_t *properties = json_object_get(schema, "properties"), *member;
	json_t *required = json_object_get(schema, "required");
	const char *key;

	for (size_t i = 0; i < json_array_size(required); i++) {
		key = json_string_value(json_array_get(required, i));
		if (!json_object_get(value, key)) {
			print_message("%s is missing\n", key);
			return false;
		}
	}
	json_object_foreach(value, key, member) {
		json_t *own = json_object_get(properties, key);

		if (own ? !schema_fits(own, member, key) :
			json_is_false(json_object_get(schema, "additionalProperties"))) {
			print_message("%s is not as it should be\n", key);
			return false;
		}
	}
	return true;
}

static inline bool schema_fits(json_t *schema, json_t *value, const char *name)
{
	json_t *items = json_object_get(schema, "items"), *options = json_object_get(schema, "enum");
	json_t *minimum = json_object_get(schema, "minimum");

	if (!schema_type_fits(json_object_get(schema, "type"), value) || (options && !schema_lists(options, value)))
		return false;
	if (minimum && json_number_value(value) < json_number_value(minimum))
		return false;
	if (!schema_others_fit(schema, value, name) || !schema_text_fits(schema, value))
		return false;
	for (size_t i = 0; items && i < json_array_size(value); i++)
		if (!schema_fits(items, json_array_get(value, i), name))
			return false;
	return !json_is_object(value) || schema_members_fit(schema, value);
}

#endif
